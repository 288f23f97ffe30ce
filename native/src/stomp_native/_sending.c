/* The hot part of sending, in C: see README.md.
 *
 * Rules of this file:
 *
 * - It only ever does what the Python code does (stomp.core.session.ack_frames, stomp.classic.overrides), for what is frequent. For all else it does
 *   nothing, and says so; then the Python code is called.
 * - It holds no lock. What changes belongs to one session, which is used by one thread at a time.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>

#include "_shared.h"

typedef struct {
    /* stomp.core.session.ledger.Subscription, once it is known, and where that keeps what */
    PyObject *subscription_class;
    Py_ssize_t at_unacked, at_ack;
    /* names of attributes; the first one is the first of all texts */
    PyObject *transport, *direct, *registry, *unwatching, *link, *send_frame, *escape_headers, *transmit,
        *on_send;
} State;

static State *
state_of(PyObject *module)
{
    return (State *)PyModule_GetState(module);
}

/* ------------------------------------------------------------------------------------------ acknowledging */

static const char ID[] = "\nid:", END[] = "\n\n"; /* with its NUL */

/* The second characters of the escapes of STOMP 1.2. */
static const char ESCAPES[128] = {[':'] = 'c', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r'};

/* The frame; without an exception NULL, if it cannot carry that name. Both texts are ASCII. */
static PyObject *
write_frame(PyObject *command, PyObject *name)
{
    const unsigned char *from = PyUnicode_1BYTE_DATA(name);
    Py_ssize_t size = PyUnicode_GET_LENGTH(name), verb = PyUnicode_GET_LENGTH(command), escapes = 0;
    if (memchr(from, 0, size) != NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        escapes += ESCAPES[from[i]] != 0;
    }
    Py_ssize_t id = sizeof(ID) - 1;
    PyObject *frame = PyBytes_FromStringAndSize(NULL, verb + id + size + escapes + (Py_ssize_t)sizeof(END));
    if (frame == NULL) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(frame);
    memcpy(to, PyUnicode_1BYTE_DATA(command), verb);
    memcpy(to + verb, ID, id);
    to += verb + id;
    if (!escapes) {
        memcpy(to, from, size);
        to += size;
    }
    else {
        for (Py_ssize_t i = 0; i < size; i++) {
            char escape = ESCAPES[from[i]];
            if (escape) {
                *to++ = '\\';
            }
            *to++ = escape ? escape : (char)from[i];
        }
    }
    memcpy(to, END, sizeof(END));
    return frame;
}

/* What a subscription has not settled, if this delivery is among it: 1, else 0 and nothing; -1 with an exception. */
static int
find(State *state, PyObject *subscription, PyObject *name, PyObject **unacked)
{
    PyObject *all = SLOT(subscription, state->at_unacked);
    int found = all != NULL && PyDict_Check(all) ? PyDict_Contains(all, name) : 0;
    if (found > 0) {
        *unacked = Py_NewRef(all);
    }
    return found;
}

/* Whether an earlier delivery is settled with it. */
static int
covers(State *state, PyObject *subscription, PyObject *unacked, PyObject *name)
{
    PyObject *ack = SLOT(subscription, state->at_ack), *first;
    Py_ssize_t at = 0;
    int cumulative = ack == NULL || !PyUnicode_Check(ack) || PyUnicode_CompareWithASCIIString(ack, "client") == 0;
    return cumulative && PyDict_Next(unacked, &at, &first, NULL) && PyUnicode_Compare(first, name) != 0;
}

PyDoc_STRVAR(prepare_doc,
"prepare(subscription_class)\n--\n\n"
"To be called before answer. It has slots: unacked, a dictionary by names, and ack.");

static PyObject *
prepare(PyObject *module, PyObject *subscription_class)
{
    State *state = state_of(module);
    if (!PyType_Check(subscription_class)) {
        PyErr_SetString(PyExc_TypeError, "prepare(subscription_class: type)");
        return NULL;
    }
    state->at_unacked = slot_of(subscription_class, "unacked");
    state->at_ack = slot_of(subscription_class, "ack");
    PyObject *before = state->subscription_class;
    state->subscription_class = state->at_unacked && state->at_ack ? Py_NewRef(subscription_class) : NULL;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(answer_doc,
"answer(command, name, subscriptions, subscription, out)\n--\n\n"
"See stomp.core.session.ack_frames.answer. 0 where nothing was done: then that is to be called.");

static PyObject *
answer(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 5 || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1]) || !PyDict_Check(args[2]) ||
        !PyList_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError,
                        "answer(command: str, name: str, subscriptions: dict, subscription, out: list)");
        return NULL;
    }
    State *state = state_of(module);
    PyObject *command = args[0], *name = args[1], *subscription = NULL, *unacked = NULL, *frame = NULL;
    PyTypeObject *known = (PyTypeObject *)state->subscription_class;
    Py_ssize_t at = 0, size = 0;
    int found = 0;
    if (!PyUnicode_IS_ASCII(command) || !PyUnicode_IS_ASCII(name)) {
        return PyLong_FromLong(0);
    }
    if (args[3] == Py_None) {
        while (found == 0 && PyDict_Next(args[2], &at, NULL, &subscription)) {
            found = Py_TYPE(subscription) == known ? find(state, subscription, name, &unacked) : -1;
        }
    }
    else if ((subscription = PyDict_GetItemWithError(args[2], args[3])) != NULL) {
        found = Py_TYPE(subscription) == known ? find(state, subscription, name, &unacked) : -1;
    }
    if (found < 0 || (found > 0 && covers(state, subscription, unacked, name))) {
        goto done;
    }
    if (!PyErr_Occurred() && (frame = write_frame(command, name)) != NULL && PyList_Append(args[4], frame) == 0 &&
        (unacked == NULL || PyDict_DelItem(unacked, name) == 0)) {
        size = PyBytes_GET_SIZE(frame);
    }
done:
    Py_XDECREF(frame);
    Py_XDECREF(unacked);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(size);
}

/* ------------------------------------------------------------------------------------------ the straight way */

/* Whether a class has this function under a name, and an object of it nothing else. */
static int
has_own(PyTypeObject *type, PyObject *attributes, PyObject *name, PyObject *function)
{
    return _PyType_Lookup(type, name) == function && PyDict_Contains(attributes, name) == 0;
}

/* The attributes of an object; NULL, without an exception, if it does not look them up as most objects do. */
static PyObject *
attributes_of(PyObject *object)
{
    if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr) {
        return NULL;
    }
    PyObject *attributes = PyObject_GenericGetDict(object, NULL);
    if (attributes == NULL) {
        PyErr_Clear();
    }
    return attributes;
}

/* Whether a listener has the `on_send` that it had when that did nothing; -1 with an exception. */
static int
is_idle(State *state, PyObject *listener, PyObject *known)
{
    int bound = PyMethod_Check(known) && PyMethod_GET_SELF(known) == listener;
    if (bound || known == Py_None) {
        PyObject *own = attributes_of(listener);
        int idle = own != NULL && has_own(Py_TYPE(listener), own, state->on_send, bound ? PyMethod_GET_FUNCTION(known) : NULL);
        Py_XDECREF(own);
        if (idle) {
            return 1;
        }
    }
    PyObject *now = PyObject_GetAttr(listener, state->on_send);
    if (now == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        now = Py_NewRef(Py_None);
    }
    int idle = now == NULL ? -1 : PyObject_RichCompareBool(now, known, Py_EQ);
    Py_XDECREF(now);
    return idle;
}

/* Whether all listeners do; -1 with an exception. */
static int
nobody_watches(State *state, PyObject *registry)
{
    PyObject *unwatching = PyObject_GetAttr(registry, state->unwatching);
    int idle = unwatching == NULL ? -1 : PyList_Check(unwatching);
    for (Py_ssize_t i = 0; idle > 0 && i < PyList_GET_SIZE(unwatching); i++) {
        PyObject *pair = PyList_GET_ITEM(unwatching, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "unwatching: a list of pairs");
            idle = -1;
        }
        else {
            idle = is_idle(state, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
        }
    }
    Py_XDECREF(unwatching);
    return idle;
}

PyDoc_STRVAR(straight_doc,
"straight(protocol, ours)\n--\n\n"
"See stomp.classic.overrides.");

static PyObject *
straight(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyTuple_Check(args[1]) || PyTuple_GET_SIZE(args[1]) != 3) {
        PyErr_SetString(PyExc_TypeError, "straight(protocol, ours: tuple of three)");
        return NULL;
    }
    State *state = state_of(module);
    PyObject **ours = ((PyTupleObject *)args[1])->ob_item;
    PyObject *protocol = args[0], *own = attributes_of(protocol), *its = NULL, *link = NULL;
    PyObject *transport = own == NULL ? NULL : PyDict_GetItemWithError(own, state->transport);
    if (transport != NULL && transport == PyDict_GetItemWithError(own, state->direct) &&
        has_own(Py_TYPE(protocol), own, state->send_frame, ours[0]) &&
        has_own(Py_TYPE(protocol), own, state->escape_headers, ours[1]) &&
        (its = attributes_of(transport)) != NULL && has_own(Py_TYPE(transport), its, state->transmit, ours[2])) {
        PyObject *registry = PyDict_GetItemWithError(its, state->registry);
        if (registry != NULL && nobody_watches(state, registry) > 0) {
            link = PyDict_GetItemWithError(its, state->link);
        }
    }
    link = Py_NewRef(link == NULL ? Py_None : link);
    Py_XDECREF(its);
    Py_XDECREF(own);
    if (PyErr_Occurred()) {
        Py_CLEAR(link);
    }
    return link;
}

/* ------------------------------------------------------------------------------------------ the module */

static PyMethodDef module_methods[] = {
    {"answer", (PyCFunction)(void (*)(void))answer, METH_FASTCALL, answer_doc},
    {"prepare", prepare, METH_O, prepare_doc},
    {"straight", (PyCFunction)(void (*)(void))straight, METH_FASTCALL, straight_doc},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    State *state = state_of(module);
    struct {
        PyObject **where;
        const char *text;
    } texts[] = {
        {&state->transport, "transport"},   {&state->direct, "_direct"},
        {&state->registry, "registry"},     {&state->unwatching, "unwatching"},
        {&state->link, "_link"},            {&state->send_frame, "send_frame"},
        {&state->transmit, "transmit"},     {&state->escape_headers, "_escape_headers"},
        {&state->on_send, "on_send"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].where = PyUnicode_InternFromString(texts[i].text);
        if (*texts[i].where == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    State *state = state_of(module);
    Py_CLEAR(state->subscription_class);
    for (PyObject **text = &state->transport; text < (PyObject **)(state + 1); text++) {
        Py_CLEAR(*text);
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(state_of(module)->subscription_class);
    return 0;
}

static void
module_free(void *module)
{
    module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = MODULE_SLOTS(module_exec);

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "stomp_native._sending",
    .m_doc = "The hot part of sending STOMP frames.",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__sending(void)
{
    return PyModuleDef_Init(&module_def);
}
