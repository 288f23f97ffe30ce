/* Encoding of a whole frame, in C: see README.md.
 *
 * Rules of this file:
 *
 * - encode_plain does what stomp.core.frames.encoder.encode_plain does, and returns None in the same cases, for more than
 *   MOST_HEADERS headers and for numbers of more than 64 bits: then the general encoder, in Python, encodes the frame or
 *   raises the error.
 * - It has no state and holds no lock.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "_shared.h"

/* Headers of more than this are left to Python. */
#define MOST_HEADERS 32
/* Longer bodies are not copied: LARGE_BODY of the encoder in Python. */
#define LARGE_BODY (32 * 1024)
/* Characters of a size in decimal, and a NUL. */
#define DIGITS 24

typedef struct {
    const char *text;
    Py_ssize_t size;
} Text;

static const char LENGTH[] = "content-length";
static const char *const COMMANDS[] = {"SEND",  "ACK",    "NACK",       "SUBSCRIBE", "UNSUBSCRIBE", "BEGIN",   "COMMIT", "ABORT",
                                       "STOMP", "CONNECT", "DISCONNECT", "MESSAGE",   "RECEIPT",     "CONNECTED", "ERROR"};

/* The UTF-8 of a str; 0 if it has a lone surrogate. */
static int
utf8(PyObject *string, Text *found)
{
    if (PyUnicode_IS_COMPACT_ASCII(string)) {
        found->text = (const char *)PyUnicode_1BYTE_DATA(string);
        found->size = PyUnicode_GET_LENGTH(string);
        return 1;
    }
    found->text = PyUnicode_AsUTF8AndSize(string, &found->size);
    if (found->text == NULL) {
        PyErr_Clear();
        return 0;
    }
    return 1;
}

/* Whether a name or value can be written as it is. `codes`: the characters that may follow a backslash; if there are none, the
 * version has no escapes, and a backslash is a character as any other. NULL: no backslash is allowed. */
static int
is_plain(Text part, PyObject *codes)
{
    for (Py_ssize_t i = 0; i < part.size; i++) {
        char c = part.text[i];
        if (c == ':' || c == '\n' || c == '\r' || c == '\0') {
            return 0;
        }
        if (c == '\\' && (codes == NULL || PyUnicode_GET_LENGTH(codes) > 0)) {
            if (codes == NULL || ++i == part.size ||
                memchr(PyUnicode_1BYTE_DATA(codes), part.text[i], PyUnicode_GET_LENGTH(codes)) == NULL) {
                return 0;
            }
        }
    }
    return 1;
}

static int
is_command(Text command)
{
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
        if ((size_t)command.size == strlen(COMMANDS[i]) && memcmp(command.text, COMMANDS[i], command.size) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether these headers are a dict, or an object of the class `Headers` without repeated headers; -1 with an exception. */
static int
are_simple(PyObject *headers, PyObject *headers_class)
{
    if (PyDict_CheckExact(headers)) {
        return 1;
    }
    if ((PyObject *)Py_TYPE(headers) != headers_class || !PyDict_Check(headers)) {
        return 0;
    }
    PyObject *repeated = PyObject_GetAttrString(headers, "repeated");
    int simple = repeated == NULL ? -1 : !PyObject_IsTrue(repeated);
    Py_XDECREF(repeated);
    return simple;
}

static char *
put(char *to, Text part)
{
    memcpy(to, part.text, part.size);
    return to + part.size;
}

/* The parts of a frame, as a list. `whole` is the object of the body if it is bytes, else NULL. */
static PyObject *
written(Text command, const Text *lines, Py_ssize_t count, Text body, PyObject *whole)
{
    int large = body.size >= LARGE_BODY;
    Py_ssize_t size = command.size + 2 + (large ? 0 : body.size + 1);
    for (Py_ssize_t i = 0; i < 2 * count; i++) {
        size += lines[i].size + 1;
    }
    PyObject *head = PyBytes_FromStringAndSize(NULL, size), *parts = NULL;
    if (head == NULL) {
        return NULL;
    }
    char *to = put(PyBytes_AS_STRING(head), command);
    *to++ = '\n';
    for (Py_ssize_t i = 0; i < 2 * count; i += 2) {
        to = put(to, lines[i]);
        *to++ = ':';
        to = put(to, lines[i + 1]);
        *to++ = '\n';
    }
    *to++ = '\n';
    if (!large) {
        to = put(to, body);
        *to = '\0';
        parts = PyList_New(1);
    }
    else {
        PyObject *bytes = whole ? Py_NewRef(whole) : PyBytes_FromStringAndSize(body.text, body.size);
        PyObject *nul = PyBytes_FromStringAndSize("", 1);
        if (bytes != NULL && nul != NULL && (parts = PyList_New(3)) != NULL) {
            PyList_SET_ITEM(parts, 1, Py_NewRef(bytes));
            PyList_SET_ITEM(parts, 2, Py_NewRef(nul));
        }
        Py_XDECREF(bytes);
        Py_XDECREF(nul);
    }
    if (parts == NULL) {
        Py_DECREF(head);
        return NULL;
    }
    PyList_SET_ITEM(parts, 0, head);
    return parts;
}

PyDoc_STRVAR(encode_plain_doc,
"encode_plain(command, headers, body, codes, headers_class)\n--\n\n"
"See stomp.core.frames.encoder.encode_plain. `codes` are the characters that may follow a backslash; None if the headers\n"
"are not escaped. `headers_class` is the class Headers.");

static PyObject *
encode_plain(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 5 || !(args[3] == Py_None || (PyUnicode_Check(args[3]) && PyUnicode_IS_COMPACT_ASCII(args[3])))) {
        PyErr_SetString(PyExc_TypeError, "encode_plain(command, headers, body, codes: str | None, headers_class)");
        return NULL;
    }
    PyObject *headers = args[1], *codes = args[3] == Py_None ? NULL : args[3];
    Text command, body, lines[2 * MOST_HEADERS], length = {NULL, 0};
    char numbers[MOST_HEADERS][DIGITS], digits[DIGITS];
    int simple = are_simple(headers, args[4]);
    if (simple <= 0 || !PyUnicode_CheckExact(args[0]) || !utf8(args[0], &command) || !is_command(command) ||
        PyDict_GET_SIZE(headers) > MOST_HEADERS) {
        if (simple < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    PyObject *name, *value;
    Py_ssize_t at = 0, count = 0;
    while (PyDict_Next(headers, &at, &name, &value)) {
        Text *line = lines + 2 * count;
        if (!PyUnicode_CheckExact(name) || !utf8(name, line) || line->size == 0 || !is_plain(*line, codes)) {
            Py_RETURN_NONE;
        }
        if (PyUnicode_CheckExact(value)) {
            if (!utf8(value, line + 1) || !is_plain(line[1], codes)) {
                Py_RETURN_NONE;
            }
        }
        else {
            int overflow = 1;
            long long number = PyLong_CheckExact(value) ? PyLong_AsLongLongAndOverflow(value, &overflow) : 0;
            if (overflow) {
                Py_RETURN_NONE;
            }
            line[1].text = numbers[count];
            line[1].size = PyOS_snprintf(numbers[count], DIGITS, "%lld", number);
        }
        if (line->size == sizeof(LENGTH) - 1 && memcmp(line->text, LENGTH, sizeof(LENGTH) - 1) == 0) {
            length = line[1];
        }
        count++;
    }
    PyObject *made = NULL;
    if (PyBytes_CheckExact(args[2])) {
        body = (Text){PyBytes_AS_STRING(args[2]), PyBytes_GET_SIZE(args[2])};
    }
    else if (!PyUnicode_CheckExact(args[2])) {
        Py_RETURN_NONE;
    }
    else if (PyUnicode_IS_COMPACT_ASCII(args[2])) {
        utf8(args[2], &body);
    }
    else {
        made = PyUnicode_AsEncodedString(args[2], "utf-8", "replace");
        if (made == NULL) {
            return NULL;
        }
        body = (Text){PyBytes_AS_STRING(made), PyBytes_GET_SIZE(made)};
    }
    PyObject *parts = NULL;
    int valid;
    if (length.text == NULL) {
        valid = memchr(body.text, 0, body.size) == NULL;
    }
    else {
        int size = PyOS_snprintf(digits, DIGITS, "%zd", body.size);
        valid = length.size == size && memcmp(length.text, digits, size) == 0;
    }
    if (!valid) {
        parts = Py_NewRef(Py_None);
    }
    else {
        parts = written(command, lines, count, body, made != NULL ? made : PyBytes_CheckExact(args[2]) ? args[2] : NULL);
    }
    Py_XDECREF(made);
    return parts;
}

static PyMethodDef module_methods[] = {
    {"encode_plain", (PyCFunction)(void (*)(void))encode_plain, METH_FASTCALL, encode_plain_doc},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *Py_UNUSED(module))
{
    return 0;
}

static PyModuleDef_Slot module_slots[] = MODULE_SLOTS(module_exec);

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "stomp_native._encode",
    .m_doc = "Encoding of STOMP frames.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__encode(void)
{
    return PyModuleDef_Init(&module_def);
}
