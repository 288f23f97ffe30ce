/* What the modules of this package share: objects by their slots, and what a module says of itself. */

#ifndef STOMP_SHARED_H
#define STOMP_SHARED_H

#include <Python.h>
#include <structmember.h>

/* Where a class with __slots__ keeps an attribute, or 0 if it does not keep it in a slot. */
static inline Py_ssize_t
slot_of(PyObject *cls, const char *name)
{
    Py_ssize_t offset = 0;
    PyObject *descr = PyObject_GetAttrString(cls, name);
    if (descr == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (Py_IS_TYPE(descr, &PyMemberDescr_Type)) {
        PyMemberDef *member = ((PyMemberDescrObject *)descr)->d_member;
        if (member->type == T_OBJECT_EX) {
            offset = member->offset;
        }
    }
    Py_DECREF(descr);
    return offset;
}

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

/* Each interpreter has a state of its own, and what else changes belongs to one session: no module needs the GIL. */
#ifdef Py_mod_multiple_interpreters
#define MODULE_INTERPRETERS {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define MODULE_INTERPRETERS
#endif
#ifdef Py_mod_gil
#define MODULE_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define MODULE_GIL
#endif

/* The slots of a module that is made by this function. */
#define MODULE_SLOTS(exec) {{Py_mod_exec, exec}, MODULE_INTERPRETERS MODULE_GIL {0, NULL}}

#endif
