/* Objects by their slots. */

#ifndef STOMP_SLOTS_H
#define STOMP_SLOTS_H

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

#endif
