/* The hot part of receiving, in C: see README.md.
 *
 * Rules of this file:
 *
 * - It only ever does what the Python code does (stomp.core.frames.decoder, stomp.core.session.client), for what is frequent. At the first surprise it stops and says how far it came; the Python
 *   code reads on from there, and it alone knows what an error is.
 * - Every read of the data is preceded by a comparison with its end. No length that the peer tells is added to
 *   anything before it was compared with a limit.
 * - It holds no lock. What changes is in the Scanner, and a Scanner belongs to one decoder, which is used by one
 *   thread at a time (the lock of the session sees to that, with and without the GIL).
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_shared.h"

/* Has to be that of stomp.core.frames.native; goes up with every change of what is called from there. */
#define INTERFACE 7

/* ------------------------------------------------------------------------------------------ text */

/* A word of eight times the same byte. */
#define EACH(byte) (UINT64_MAX / 255 * (byte))
#define HIGH EACH(0x80)

/* How many bytes are printable ASCII and no backslash: these are in a value what they are on the wire. */
static Py_ssize_t
plain_run(const char *at, const char *stop)
{
    const char *begin = at;
    for (; stop - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        /* What is less than 32 borrows from its highest bit, and so does a backslash that was made 0. */
        if ((word | (word - EACH(32)) | ((word ^ EACH('\\')) - EACH(1))) & HIGH) {
            break;
        }
    }
    while (at < stop && *at >= 32 && *at < 127 && *at != '\\') {
        at++;
    }
    return at - begin;
}

static PyObject *
ascii_text(const char *data, Py_ssize_t size)
{
    PyObject *text = PyUnicode_New(size, 127);
    if (text != NULL && size) {
        memcpy(PyUnicode_1BYTE_DATA(text), data, size);
    }
    return text;
}

/* Where ASCII ends. With `to` it is copied to there, which goes along. */
static const unsigned char *
skip_ascii(const unsigned char *at, const unsigned char *stop, Py_UCS1 **to)
{
    const unsigned char *begin = at;
    for (; stop - at >= 32; at += 32) {
        uint64_t words[4];
        memcpy(words, at, 32);
        if ((words[0] | words[1] | words[2] | words[3]) & HIGH) {
            break;
        }
        if (to != NULL) {
            memcpy(*to + (at - begin), words, 32);
        }
    }
    for (; stop - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        if (word & HIGH) {
            break;
        }
        if (to != NULL) {
            memcpy(*to + (at - begin), &word, 8);
        }
    }
    for (; at < stop && *at < 0x80; at++) {
        if (to != NULL) {
            (*to)[at - begin] = *at;
        }
    }
    if (to != NULL) {
        *to += at - begin;
    }
    return at;
}

/* So far a text is looked at for what is not ASCII. */
#define LOOK (32 * 1024)

/* The text of UTF-8; what is none is replaced. CPython does the same, and takes twice the time and the memory where a
 * character here and there is not ASCII: that case is taken over, as far as the first 256 characters go. */
static PyObject *
read_text(const char *data, Py_ssize_t size)
{
    const unsigned char *at = (const unsigned char *)data, *stop = at + size;
    at = skip_ascii(at, size > LOOK ? at + LOOK : stop, NULL);
    if (at < stop && (at[0] & 0xFE) != 0xC2) {
        return PyUnicode_DecodeUTF8(data, size, "replace");
    }
    PyObject *text = PyUnicode_New(size, at == stop ? 127 : 255);
    if (text == NULL || size == 0) {
        return text;
    }
    Py_UCS1 *begin = PyUnicode_1BYTE_DATA(text), *to = begin + (at - (const unsigned char *)data);
    memcpy(begin, data, to - begin);
    if (at == stop) {
        return text;
    }
    while (stop - at >= 2 && (at[0] & 0xFE) == 0xC2 && (at[1] & 0xC0) == 0x80) {
        *to++ = (Py_UCS1)(at[0] << 6 | (at[1] & 0x3F));
        at = skip_ascii(at + 2, stop, &to);
    }
    if (at < stop) {
        Py_DECREF(text);
        return PyUnicode_DecodeUTF8(data, size, "replace");
    }
    if (PyUnicode_Resize(&text, to - begin) < 0) {
        Py_CLEAR(text);
    }
    return text;
}

PyDoc_STRVAR(text_doc,
"text(data)\n--\n\n"
"str(data, 'utf-8', 'replace'), of any bytes-like object.");

static PyObject *
text(PyObject *module, PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *text = read_text(view.buf, view.len);
    PyBuffer_Release(&view);
    return text;
}

/* ------------------------------------------------------------------------------------------ what was learned */

/* A layout that has learned so often that a value changes takes all of them to do so. */
#define LEARNING 16

typedef struct {
    PyObject *name;
    PyObject *value;   /* the latest; borrowed from the dict of the layout */
    int plain;         /* it is on the wire as it is */
    int changes;       /* it is not always the same */
    Py_ssize_t at, to; /* where the first value is in the text of the layout */
} Column;

typedef struct {
    Py_ssize_t offset;
    PyObject *value;
} Slot;

typedef struct {
    PyObject *command;
    PyObject *make;    /* the class of frame to make */
    PyObject *headers; /* a plain dict, name to latest value: all new headers begin as its copy */
    char *text;        /* the head from which it was learned, with the empty line */
    Py_ssize_t size;
    Py_ssize_t count;
    Column *columns;
    Column **changing; /* those whose values change; between them the text stays the same */
    Py_ssize_t changes;
    PyObject *names; /* of those, a tuple */
    PyObject *base;  /* the headers, when the last one was added */
    int learned;
    Column *length_column; /* content-length, or NULL */
    Py_ssize_t length;     /* its latest value, or -1 if that is none */
    /* Where `make` keeps what. at_command is 0 if it must be called, at_original if it keeps none. */
    Py_ssize_t at_command, at_headers, at_body, at_original;
    Slot *slot_defaults;  /* what else is in a new frame; ends with an offset of 0 */
    int readable; /* bodies are wanted as text */
} Layout;

typedef struct {
    PyObject_HEAD
    PyTypeObject *headers_class;
    PyObject *no_arguments;
    Py_ssize_t count;
    Layout **layouts; /* the one that matched last is the first */
} Scanner;

static void
layout_free(Layout *layout)
{
    if (layout == NULL) {
        return;
    }
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        Py_CLEAR(layout->columns[i].name);
    }
    for (Slot *slot = layout->slot_defaults; slot != NULL && slot->offset; slot++) {
        Py_CLEAR(slot->value);
    }
    PyMem_Free(layout->slot_defaults);
    PyMem_Free(layout->changing);
    PyMem_Free(layout->columns);
    PyMem_Free(layout->text);
    Py_CLEAR(layout->command);
    Py_CLEAR(layout->make);
    Py_CLEAR(layout->headers);
    Py_CLEAR(layout->names);
    Py_CLEAR(layout->base);
    PyMem_Free(layout);
}

/* Note which columns change. */
static int
layout_list_changing(Layout *layout)
{
    layout->changes = 0;
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        if (layout->columns[i].changes) {
            layout->changing[layout->changes++] = &layout->columns[i];
        }
    }
    PyObject *names = PyTuple_New(layout->changes), *base = PyDict_Copy(layout->headers);
    if (names == NULL || base == NULL) {
        Py_XDECREF(names);
        Py_XDECREF(base);
        return -1;
    }
    for (Py_ssize_t i = 0; i < layout->changes; i++) {
        PyTuple_SET_ITEM(names, i, Py_NewRef(layout->changing[i]->name));
    }
    Py_XSETREF(layout->names, names);
    Py_XSETREF(layout->base, base);
    return 0;
}

/* From now on the values of a column change. */
static int
layout_change(Layout *layout, Column *column)
{
    if (++layout->learned > LEARNING) {
        for (Py_ssize_t i = 0; i < layout->count; i++) {
            layout->columns[i].changes = 1;
        }
    }
    column->changes = 1;
    return layout_list_changing(layout);
}

/* A content-length as the Python code takes it, or -1. */
static Py_ssize_t
read_length(const char *digits, Py_ssize_t size)
{
    Py_ssize_t length = 0;
    if (size < 1 || size > 18 || sizeof(Py_ssize_t) < 8) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return -1;
        }
        length = length * 10 + (digits[i] - '0');
    }
    return length;
}

/* True if a text is this ASCII. */
static int
is_text(PyObject *text, const char *ascii, Py_ssize_t size)
{
    return PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text) && PyUnicode_GET_LENGTH(text) == size &&
           memcmp(PyUnicode_1BYTE_DATA(text), ascii, size) == 0;
}

/* Find the columns in the text: the names of the headers say how it goes. */
static int
layout_divide(Layout *layout, PyObject *headers)
{
    PyObject *name, *value;
    Py_ssize_t i = 0, at = 0;
    const char *stop = layout->text + layout->size;
    const char *line = memchr(layout->text, '\n', layout->size);
    while (PyDict_Next(headers, &at, &name, &value)) {
        Py_ssize_t size;
        const char *bytes = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &size) : NULL;
        if (bytes == NULL || line == NULL || stop - line < size + 3 || memcmp(line + 1, bytes, size) != 0 ||
            line[size + 1] != ':') {
            return -1;
        }
        const char *begin = line + size + 2;
        line = memchr(begin, '\n', stop - begin);
        if (line == NULL) {
            return -1;
        }
        Column *column = &layout->columns[i];
        /* Interned, as the names in the user's program are: they are found by identity. */
        column->name = Py_NewRef(name);
        PyUnicode_InternInPlace(&column->name);
        layout->count = ++i;
        column->value = value;
        column->at = begin - layout->text;
        column->to = line - layout->text;
        column->plain = plain_run(begin, line) == line - begin && is_text(value, begin, line - begin);
        if (strcmp(bytes, "content-length") == 0) {
            layout->length_column = column;
            layout->length = read_length(begin, line - begin);
        }
        if (PyDict_SetItem(layout->headers, column->name, value) < 0) {
            return -1;
        }
    }
    return line != NULL && line + 2 == stop && line[1] == '\n' ? 0 : -1;
}

/* Find the slots of the class; without all of them it is to be called. */
static int
layout_find_slots(Layout *layout, PyObject *slot_defaults)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    Slot *slot = layout->slot_defaults = PyMem_Calloc(PyDict_GET_SIZE(slot_defaults) + 1, sizeof(Slot));
    if (slot == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    layout->at_headers = slot_of(layout->make, "headers");
    layout->at_body = slot_of(layout->make, "body");
    layout->at_original = slot_of(layout->make, "original");
    int all = layout->at_headers && layout->at_body;
    while (all && PyDict_Next(slot_defaults, &at, &name, &value)) {
        const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
        if (text == NULL) {
            return -1;
        }
        all = (slot->offset = slot_of(layout->make, text)) != 0;
        if (all) {
            slot++->value = Py_NewRef(value);
        }
    }
    layout->at_command = all ? slot_of(layout->make, "command") : 0;
    return 0;
}

static Layout *
layout_new(PyObject *head, PyObject *headers, PyObject *make, PyObject *slot_defaults, int readable)
{
    Layout *layout = PyMem_Calloc(1, sizeof(Layout));
    if (layout == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    layout->make = Py_NewRef(make);
    layout->readable = readable;
    layout->headers = PyDict_New();
    layout->size = PyBytes_GET_SIZE(head);
    layout->text = PyMem_Malloc(layout->size + 1);
    layout->columns = PyMem_Calloc(PyDict_GET_SIZE(headers) + 1, sizeof(Column));
    layout->changing = PyMem_Calloc(PyDict_GET_SIZE(headers) + 1, sizeof(Column *));
    if (layout->headers == NULL || layout->text == NULL || layout->columns == NULL || layout->changing == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    memcpy(layout->text, PyBytes_AS_STRING(head), layout->size);
    const char *line = memchr(layout->text, '\n', layout->size);
    layout->command = PyUnicode_DecodeUTF8(layout->text, line == NULL ? 0 : line - layout->text, "strict");
    if (layout->command == NULL || layout_divide(layout, headers) < 0 || layout_list_changing(layout) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "the head has other headers");
        }
        goto failed;
    }
    if (slot_defaults != Py_None && layout_find_slots(layout, slot_defaults) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "names of slots are str");
        }
        goto failed;
    }
    return layout;
failed:
    layout_free(layout);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ reading */

/* How an attempt came out. */
enum { FAILED = -1, DIFFERENT = 0, DONE = 1, SURPRISE = 2, CHANGED = 3 };

/* The text of a value that is not plain, or NULL: with an exception set for want of memory, without one for what wants
 * care. */
static PyObject *
read_odd_value(const char *at, const char *stop, const char *codes)
{
    char small[256];
    char *plain = stop - at <= (Py_ssize_t)sizeof(small) ? small : PyMem_Malloc(stop - at);
    if (plain == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *text = NULL;
    char *to = plain;
    int ascii = 1;
    while (1) {
        Py_ssize_t run = plain_run(at, stop);
        memcpy(to, at, run);
        at += run;
        to += run;
        if (at == stop) {
            break;
        }
        char byte = *at++;
        if (byte == '\\' && *codes) {
            if (at == stop || *at == '\0' || strchr(codes, *at) == NULL) {
                goto done;
            }
            char code = *at++;
            byte = code == 'n' ? '\n' : code == 'c' ? ':' : code == 'r' ? '\r' : '\\';
        }
        else if (byte == '\r' || byte == '\0') {
            goto done;
        }
        ascii &= (unsigned char)byte < 0x80;
        *to++ = byte;
    }
    text = ascii ? ascii_text(plain, to - plain) : PyUnicode_DecodeUTF8(plain, to - plain, "strict");
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
    }
done:
    if (plain != small) {
        PyMem_Free(plain);
    }
    return text;
}

/* Read the value of a column at `*at`, if it is another one than the latest; `*at` is its end, if DONE. */
static int
read_column(Layout *layout, Column *column, const char **at, const char *stop, const char *codes)
{
    const char *value = *at;
    if (column->plain) {
        Py_ssize_t size = PyUnicode_GET_LENGTH(column->value);
        if (stop - value > size && value[size] == '\n' && is_text(column->value, value, size)) {
            *at += size;
            return DONE;
        }
    }
    const char *end = value + plain_run(value, stop);
    int plain = end < stop && *end == '\n';
    if (!plain && (end = memchr(end, '\n', stop - end)) == NULL) {
        return SURPRISE;
    }
    Py_ssize_t length = 0;
    if (column == layout->length_column && (length = read_length(value, end - value)) < 0) {
        return SURPRISE;
    }
    PyObject *text = plain ? ascii_text(value, end - value) : read_odd_value(value, end, codes);
    if (text == NULL) {
        return PyErr_Occurred() ? FAILED : SURPRISE;
    }
    int failed = PyDict_SetItem(layout->headers, column->name, text);
    Py_DECREF(text);
    if (failed < 0) {
        return FAILED;
    }
    column->value = text;
    column->plain = plain;
    if (column == layout->length_column) {
        layout->length = length;
    }
    *at = end;
    return DONE;
}

/* A head differs from the text of a layout, from `from` there on. CHANGED: its value may, from now on. */
static int
look_closely(Layout *layout, Py_ssize_t from, const char *at, const char *stop)
{
    while (at < stop && *at == layout->text[from]) {
        at++;
        from++;
    }
    if (at == stop) {
        return SURPRISE;
    }
    for (Py_ssize_t i = 0; i < layout->count; i++) {
        Column *column = &layout->columns[i];
        if (from >= column->at && from <= column->to) {
            return layout_change(layout, column) < 0 ? FAILED : CHANGED;
        }
    }
    return DIFFERENT;
}

/* Compare the head at `pos` with a layout, taking in what changed; `*behind` is where the body begins, if DONE. */
static int
read_head(Layout *layout, const char *data, Py_ssize_t pos, Py_ssize_t end, const char *codes, Py_ssize_t *behind)
{
    const char *at = data + pos, *stop = data + end;
    Py_ssize_t from = 0;
    for (Py_ssize_t i = 0; i <= layout->changes; i++) {
        Column *column = i < layout->changes ? layout->changing[i] : NULL;
        Py_ssize_t same = (column == NULL ? layout->size : column->at) - from;
        if (stop - at < same || memcmp(at, layout->text + from, same) != 0) {
            int how = look_closely(layout, from, at, stop);
            /* Once for each column at the most. */
            return how == CHANGED ? read_head(layout, data, pos, end, codes, behind) : how;
        }
        at += same;
        if (column != NULL) {
            int how = read_column(layout, column, &at, stop, codes);
            if (how != DONE) {
                return how;
            }
            from = column->to;
        }
    }
    *behind = at - data;
    return DONE;
}

/* New headers, with the latest values. */
static PyObject *
make_headers(Scanner *self, Layout *layout)
{
    PyObject *headers = self->headers_class->tp_new(self->headers_class, self->no_arguments, NULL);
    /* It is copied as a whole, since there was nothing before and what is copied never lost an item. */
    if (headers != NULL && PyDict_Update(headers, layout->headers) < 0) {
        Py_CLEAR(headers);
    }
#if PY_VERSION_HEX < 0x030E0000
    /* Nothing but texts is in no cycle, and the collector need not look; a dict calls it in when that changes. */
    if (headers != NULL) {
        PyObject_GC_UnTrack(headers);
    }
#endif
    return headers;
}

/* How the headers came, in the cheapest way to keep that: what mostly stays the same, and what does not. */
static PyObject *
keep_original(Layout *layout)
{
    PyObject *original = PyTuple_New(layout->changes + 2);
    if (original == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(original, 0, Py_NewRef(layout->base));
    PyTuple_SET_ITEM(original, 1, Py_NewRef(layout->names));
    for (Py_ssize_t i = 0; i < layout->changes; i++) {
        PyTuple_SET_ITEM(original, i + 2, Py_NewRef(layout->changing[i]->value));
    }
    /* Nothing but texts in the end: it can be in no cycle. */
    PyObject_GC_UnTrack(original);
    return original;
}

static PyObject *
make_frame(Scanner *self, Layout *layout, const char *data, Py_ssize_t size)
{
    PyObject *frame = NULL, *original = NULL;
    PyObject *body = layout->readable ? read_text(data, size) : PyBytes_FromStringAndSize(data, size);
    PyObject *headers = make_headers(self, layout);
    if (body == NULL || headers == NULL) {
        goto failed;
    }
    if (!layout->at_command) {
        PyObject *arguments[] = {layout->command, headers, body};
        frame = PyObject_Vectorcall(layout->make, arguments, 3, NULL);
        goto failed;
    }
    if (layout->at_original && (original = keep_original(layout)) == NULL) {
        goto failed;
    }
    PyTypeObject *type = (PyTypeObject *)layout->make;
    frame = type->tp_alloc(type, 0);
    if (frame == NULL) {
        goto failed;
    }
    SLOT(frame, layout->at_command) = Py_NewRef(layout->command);
    SLOT(frame, layout->at_headers) = headers;
    SLOT(frame, layout->at_body) = body;
    for (Slot *slot = layout->slot_defaults; slot->offset; slot++) {
        SLOT(frame, slot->offset) = Py_NewRef(slot->value);
    }
    if (layout->at_original) {
        SLOT(frame, layout->at_original) = original;
    }
    return frame;
failed:
    Py_XDECREF(original);
    Py_XDECREF(headers);
    Py_XDECREF(body);
    return frame;
}

typedef struct {
    Py_ssize_t head, body, frame; /* a body of no more than `frame` fits into a frame with any head of these */
    const char *codes;
} Rules;

/* Read the frame at `*pos` by a layout; `*pos` is the place behind it, if DONE. */
static int
read_frame(Scanner *self, Layout *layout, PyObject *bytes, Py_ssize_t *pos, const Rules *rules, PyObject *out)
{
    const char *data = PyBytes_AS_STRING(bytes);
    Py_ssize_t end = PyBytes_GET_SIZE(bytes);
    Py_ssize_t limit = end - *pos - 2 > rules->head ? *pos + rules->head + 2 : end;
    Py_ssize_t start;
    int how = read_head(layout, data, *pos, limit, rules->codes, &start);
    if (how != DONE) {
        return how;
    }
    Py_ssize_t size = layout->length;
    if (layout->length_column == NULL) {
        const char *nul = memchr(data + start, 0, end - start);
        if (nul == NULL) {
            return SURPRISE;
        }
        size = nul - (data + start);
    }
    /* The order matters: sizes are not added before they are known. */
    if (size < 0 || size > rules->body || size > rules->frame) {
        return SURPRISE;
    }
    if (size >= end - start || data[start + size] != 0) {
        return SURPRISE; /* unfinished, or broken */
    }
    PyObject *frame = make_frame(self, layout, data + start, size);
    if (frame == NULL) {
        return FAILED;
    }
    int failed = PyList_Append(out, frame);
    Py_DECREF(frame);
    if (failed < 0) {
        return FAILED;
    }
    *pos = start + size + 1;
    return DONE;
}

PyDoc_STRVAR(scan_doc,
"scan(data, pos, out, head, body, frame, codes)\n--\n\n"
"Append the frames of data from pos on to out, as long as they have a layout that is known and nothing is\n"
"special about them; return the place where that ended. The Python code reads on from there.\n\n"
"head, body and frame are limits in bytes, codes the letters that may follow a backslash.");

static PyObject *
scanner_scan(Scanner *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 7 || !PyBytes_Check(args[0]) || !PyList_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "scan(data: bytes, pos, out: list, head, body, frame, codes: str)");
        return NULL;
    }
    PyObject *data = args[0], *out = args[2];
    Py_ssize_t pos = PyLong_AsSsize_t(args[1]);
    Rules rules = {PyLong_AsSsize_t(args[3]), PyLong_AsSsize_t(args[4]), PyLong_AsSsize_t(args[5]),
                   PyUnicode_AsUTF8(args[6])};
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t end = PyBytes_GET_SIZE(data);
    if (pos < 0 || rules.head < 0) {
        PyErr_SetString(PyExc_ValueError, "pos and limits are not negative");
        return NULL;
    }
    while (pos < end) {
        int how = DIFFERENT;
        for (Py_ssize_t i = 0; i < self->count && how == DIFFERENT; i++) {
            Layout *layout = self->layouts[i];
            how = read_frame(self, layout, data, &pos, &rules, out);
            if (how == DONE && i > 0) {
                memmove(self->layouts + 1, self->layouts, i * sizeof(Layout *));
                self->layouts[0] = layout;
            }
        }
        if (how == FAILED) {
            return NULL;
        }
        if (how != DONE) {
            break;
        }
        if (pos < end && PyBytes_AS_STRING(data)[pos] == '\n') {
            pos++; /* brokers write LF behind NUL */
        }
    }
    return PyLong_FromSsize_t(pos);
}

PyDoc_STRVAR(learn_doc,
"learn(head, headers, make, slot_defaults, readable)\n--\n\n"
"A layout: heads of this command with these header names, each of which comes once and is not escaped. The head has\n"
"LF at the ends of its lines, and an empty line behind them.\n"
"slot_defaults is what a new frame of the class make has in its slots besides command, headers, body and original; None if\n"
"make must be called. With readable it wants its body as text. How many layouts there are is bounded by who calls\n"
"this.");

static PyObject *
scanner_learn(Scanner *self, PyObject *args)
{
    PyObject *head, *headers, *make, *slot_defaults;
    int readable;
    if (!PyArg_ParseTuple(args, "SO!O!Op", &head, &PyDict_Type, &headers, &PyType_Type, &make, &slot_defaults, &readable)) {
        return NULL;
    }
    if (slot_defaults != Py_None && !PyDict_Check(slot_defaults)) {
        PyErr_SetString(PyExc_TypeError, "slot_defaults is a dict or None");
        return NULL;
    }
    Layout *layout = layout_new(head, headers, make, slot_defaults, readable);
    if (layout == NULL) {
        return NULL;
    }
    Layout **more = PyMem_Realloc(self->layouts, (self->count + 1) * sizeof(Layout *));
    if (more == NULL) {
        layout_free(layout);
        return PyErr_NoMemory();
    }
    self->layouts = more;
    self->layouts[self->count++] = layout;
    Py_RETURN_NONE;
}

static PyObject *
scanner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *headers_class;
    if ((kwargs != NULL && PyDict_GET_SIZE(kwargs)) ||
        !PyArg_ParseTuple(args, "O!:Scanner", &PyType_Type, &headers_class)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Scanner(headers_class)");
        }
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)headers_class, &PyDict_Type)) {
        PyErr_SetString(PyExc_TypeError, "the class of headers is one of dictionaries");
        return NULL;
    }
    Scanner *self = (Scanner *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->headers_class = (PyTypeObject *)Py_NewRef(headers_class);
    self->no_arguments = PyTuple_New(0);
    if (self->no_arguments == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
scanner_traverse(Scanner *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->headers_class);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_VISIT(self->layouts[i]->make);
        Py_VISIT(self->layouts[i]->headers);
        Py_VISIT(self->layouts[i]->base);
    }
    return 0;
}

static int
scanner_clear(Scanner *self)
{
    Layout **layouts = self->layouts;
    Py_ssize_t count = self->count;
    self->layouts = NULL;
    self->count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        layout_free(layouts[i]);
    }
    PyMem_Free(layouts);
    return 0;
}

static void
scanner_dealloc(Scanner *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    scanner_clear(self);
    Py_CLEAR(self->headers_class);
    Py_CLEAR(self->no_arguments);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef scanner_methods[] = {
    {"scan", (PyCFunction)(void (*)(void))scanner_scan, METH_FASTCALL, scan_doc},
    {"learn", (PyCFunction)scanner_learn, METH_VARARGS, learn_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Scanner(headers_class)\n--\n\nReads frames of layouts that it was taught.")},
    {Py_tp_new, scanner_new},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_traverse, scanner_traverse},
    {Py_tp_clear, scanner_clear},
    {Py_tp_methods, scanner_methods},
    {0, NULL},
};

static PyType_Spec scanner_spec = {
    .name = "stomp_native.Scanner",
    .basicsize = sizeof(Scanner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = scanner_slots,
};

/* ------------------------------------------------------------------------------------------ routing */

typedef struct {
    PyObject *subscription, *destination, *ack, *message_id, *acknowledges, *unacked, *empty;
} State;

static State *
state_of(PyObject *module)
{
    return (State *)PyModule_GetState(module);
}

/* Note a delivery that waits for its ACK. */
static int
note_delivery(State *state, PyObject *subscription, PyObject *headers, int by_ack)
{
    PyObject *message = by_ack ? PyDict_GetItemWithError(headers, state->ack) : NULL;
    if (message == NULL || PyUnicode_GET_LENGTH(message) == 0) {
        message = PyErr_Occurred() ? NULL : PyDict_GetItemWithError(headers, state->message_id);
    }
    if (message == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        message = state->empty;
    }
    PyObject *unacked = PyObject_GetAttr(subscription, state->unacked);
    if (unacked == NULL) {
        return -1;
    }
    int failed = PyDict_SetItem(unacked, message, Py_None);
    Py_DECREF(unacked);
    return failed;
}

PyDoc_STRVAR(route_doc,
"route(frames, at, message_class, subscriptions, by_ack, events)\n--\n\n"
"Of the frames from at on, move messages to events, with their subscriptions, as long as there is nothing but\n"
"messages; return the place where that ended. See ClientSession._process_frames.");

static PyObject *
route(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 6 || !PyList_Check(args[0]) || !PyType_Check(args[2]) || !PyDict_Check(args[3]) ||
        !PyList_Check(args[5])) {
        PyErr_SetString(PyExc_TypeError, "route(frames: list, at, message_class, subscriptions: dict, by_ack, events: list)");
        return NULL;
    }
    State *state = state_of(module);
    PyObject *frames = args[0], *subscriptions = args[3], *events = args[5];
    PyTypeObject *message_class = (PyTypeObject *)args[2];
    Py_ssize_t at = PyLong_AsSsize_t(args[1]);
    int by_ack = PyObject_IsTrue(args[4]);
    Py_ssize_t at_headers = slot_of(args[2], "headers"), at_subscription = slot_of(args[2], "subscription");
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *last = NULL, *subscription = NULL; /* borrowed: ids of one batch are mostly one object */
    int acknowledges = 0;
    for (; at >= 0 && at < PyList_GET_SIZE(frames); at++) {
        PyObject *frame = PyList_GET_ITEM(frames, at);
        if (!PyObject_TypeCheck(frame, message_class) || !at_headers || !at_subscription) {
            break;
        }
        PyObject *headers = SLOT(frame, at_headers);
        if (headers == NULL || !PyDict_Check(headers)) {
            break;
        }
        PyObject *id = PyDict_GetItemWithError(headers, state->subscription);
        if (id == NULL && !PyErr_Occurred()) {
            id = PyDict_GetItemWithError(headers, state->destination);
            if (id == NULL) {
                id = state->empty;
            }
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
        if (id != last) {
            last = id;
            subscription = PyDict_GetItemWithError(subscriptions, id);
            acknowledges = 0;
            if (subscription == NULL) {
                if (PyErr_Occurred()) {
                    return NULL;
                }
                subscription = Py_None;
            }
            else {
                PyObject *flag = PyObject_GetAttr(subscription, state->acknowledges);
                acknowledges = flag == NULL ? -1 : PyObject_IsTrue(flag);
                Py_XDECREF(flag);
                if (acknowledges < 0) {
                    return NULL;
                }
            }
        }
        PyObject *before = SLOT(frame, at_subscription);
        SLOT(frame, at_subscription) = Py_NewRef(subscription);
        Py_XDECREF(before);
        if (acknowledges && note_delivery(state, subscription, headers, by_ack) < 0) {
            return NULL;
        }
        if (PyList_Append(events, frame) < 0) {
            return NULL;
        }
    }
    return PyLong_FromSsize_t(at);
}

/* ------------------------------------------------------------------------------------------ the module */

static PyMethodDef module_methods[] = {
    {"route", (PyCFunction)(void (*)(void))route, METH_FASTCALL, route_doc},
    {"text", text, METH_O, text_doc},
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
        {&state->subscription, "subscription"}, {&state->destination, "destination"},
        {&state->ack, "ack"},                   {&state->message_id, "message-id"},
        {&state->acknowledges, "acknowledges"}, {&state->unacked, "unacked"},
        {&state->empty, ""},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].where = PyUnicode_InternFromString(texts[i].text);
        if (*texts[i].where == NULL) {
            return -1;
        }
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &scanner_spec, NULL);
    int failed = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    if (failed < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static int
module_clear(PyObject *module)
{
    State *state = state_of(module);
    PyObject **texts = (PyObject **)state;
    for (size_t i = 0; i < sizeof(State) / sizeof(PyObject *); i++) {
        Py_CLEAR(texts[i]);
    }
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
    .m_name = "stomp_native._codec",
    .m_doc = "The hot part of receiving STOMP frames.",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__codec(void)
{
    return PyModuleDef_Init(&module_def);
}
