/* The other end of every benchmark, in C so that it is never what is measured: one thread, one poll(), loopback only.
 *
 *     server          prints its port, ends when its standard input does
 *
 * What it does is chosen by the destination that a client subscribes to; bench/servers/__init__.py has the grammar,
 * and server.py beside this file is the same server in Python, for machines that have no compiler.
 *
 * Two ways to read. Frames that are only counted (what a client sends in a stream) are counted by their NULs, at the
 * speed of memchr: bodies that clients send in the kit hold none. All others are parsed, because their headers matter.
 * What is fired is rendered once, into a block that fits the processor's cache; before a block is sent again its message
 * ids get their next numbers, so that no two messages of a run are the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ = 256 * 1024,              /* at most so much at a time */
    BLOCK = 256 * 1024,             /* a block of messages; one message may be larger */
    LARGEST = 256 * 1024 * 1024,    /* no frame may be larger */
    MOST_HEADERS = 5000,
    VALUE = 256,                    /* size of the value of a header that matters */
    ID = 10,                        /* digits of a number in a message id */
    MARKS = 4,                      /* such numbers in one message, at most */
};

static const char CONNECTED[] = "CONNECTED\nversion:%s\nserver:bench/1\nsession:session-Vn2kTz8wQ\nheart-beat:%ld,%ld\n\n";

/* Header blocks as brokers send them; \1 is the subscription, \2 the number of the message. */
static const char RABBITMQ[] =
    "MESSAGE\nsubscription:\1\ndestination:/queue/orders\nmessage-id:T_\1@@session-Vn2kTz8wQ@@\2\nredelivered:false\n"
    "ack:T_\1@@session-Vn2kTz8wQ@@\2\npersistent:1\ncontent-type:application/json\n";
static const char ACTIVEMQ[] = /* the colons of its ids are escaped */
    "MESSAGE\nack:ID\\cbroker.example.org-40001-1760000000000-3\\c\2\ndestination:/queue/orders\nexpires:0\n"
    "message-id:ID\\cbroker.example.org-40001-1760000000000-2\\c1\\c-1\\c1\\c\2\npriority:4\nsubscription:\1\n"
    "timestamp:1760000000000\n";
static const char TEXT[] = "{\"order\": 4711, \"name\": \"Caf\xc3\xa9 au lait\", \"pieces\": 12, \"sum\": 99.50, \"paid\": true}, ";

struct buffer {
    char *data;
    size_t begin, end, capacity;
};

/* What decides the bytes of a message that is fired. */
struct shape {
    long size, extra, escaped, length, nul;
    char subscription[VALUE];
};

struct connection {
    int fd;
    int gone, leaving, stalled, echoing;
    char subscription[VALUE];
    struct buffer in, out;
    size_t searched;                /* of the frame at in.begin, that much holds no end */
    long awaited;                   /* frames that are only counted */
    long beat;                      /* milliseconds between heart-beats, 0 for none */
    long long next_beat;
    /* what is being fired */
    struct shape shape;
    char *block;
    size_t block_size, block_sent, frame_size, segment;
    long frames, left, number;      /* frames of a block; frames still to come; the next message's number */
    size_t marks[MARKS];
    int mark_count;
    struct connection *next;
};

static struct connection *connections;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------------------------ buffers */

static void put(struct buffer *b, const void *data, size_t size) {
    if (b->begin == b->end)
        b->begin = b->end = 0;
    if (b->end + size > b->capacity) {
        if (b->begin) {
            memmove(b->data, b->data + b->begin, b->end - b->begin);
            b->end -= b->begin;
            b->begin = 0;
        }
        if (b->end + size > b->capacity) {
            b->capacity = (b->end + size) * 2;
            if (b->capacity > 4 * (size_t)LARGEST || !(b->data = realloc(b->data, b->capacity)))
                fail("a buffer that grows without end");
        }
    }
    memcpy(b->data + b->end, data, size);
    b->end += size;
}

static void put_text(struct buffer *b, const char *text) { put(b, text, strlen(text)); }

static void put_end(struct buffer *b) { put(b, "\0\n", 2); }

/* ----------------------------------------------------------------------------------------------- messages */

/* The value of an option of a destination: /bench/fire?count=1000&size=100 */
static long option(const char *destination, const char *name, long otherwise) {
    size_t length = strlen(name);
    for (const char *at = strpbrk(destination, "?&"); at; at = strpbrk(at + 1, "?&"))
        if (!strncmp(at + 1, name, length) && at[1 + length] == '=')
            return atol(at + 2 + length);
    return otherwise;
}

static void write_number(char *at, long number) {
    for (int digit = ID - 1; digit >= 0; digit--, number /= 10)
        at[digit] = '0' + number % 10;
}

/* Append a header block's template, and note where its numbers are. */
static void put_head(struct buffer *b, const char *template, const char *subscription, size_t *marks, int *count) {
    for (const char *at = template; *at; at++) {
        if (*at == '\1') {
            put_text(b, subscription);
        } else if (*at == '\2') {
            if (*count < MARKS)
                marks[(*count)++] = b->end - b->begin;
            put(b, "0000000000", ID);
        } else {
            put(b, at, 1);
        }
    }
}

/* A body of text, UTF-8, without NUL: whole repetitions, and dots for what is left of the last one. */
static void put_body(struct buffer *b, size_t size, int of_nul) {
    static const char nuls[4096];
    char dots[sizeof TEXT];
    memset(dots, '.', sizeof dots);
    size_t length = of_nul ? sizeof nuls : sizeof TEXT - 1;
    for (; size >= length; size -= length)
        put(b, of_nul ? nuls : TEXT, length);
    put(b, of_nul ? nuls : dots, size);
}

static void render(struct buffer *frame, const struct shape *shape, struct connection *c) {
    char line[VALUE];
    c->mark_count = 0;
    put_head(frame, shape->escaped ? ACTIVEMQ : RABBITMQ, shape->subscription, c->marks, &c->mark_count);
    if (shape->length)
        snprintf(line, sizeof line, "content-length:%ld\n", shape->size);
    else
        snprintf(line, sizeof line, "reply-to:/queue/answers\n");
    put_text(frame, line);
    for (long index = 0; index < shape->extra; index++) {
        snprintf(line, sizeof line, "x-header-%04ld:value %04ld of a header\n", index, index);
        put_text(frame, line);
    }
    put_text(frame, "\n");
    put_body(frame, shape->size, shape->nul);
    put_end(frame);
}

/* Make ready to fire: one message, as often as a block holds it. The block is kept: clients warm up before they measure. */
static void load(struct connection *c, const char *destination) {
    struct shape shape = {
        .size = option(destination, "size", 0),
        .extra = option(destination, "extra", 0),
        .escaped = option(destination, "escaped", 0),
        .length = option(destination, "length", 1),
        .nul = option(destination, "nul", 0),
    };
    memcpy(shape.subscription, c->subscription, sizeof shape.subscription); /* padded with NULs, for memcmp */
    if (shape.size < 0 || shape.size > LARGEST || shape.extra < 0 || shape.extra > MOST_HEADERS)
        return;
    c->left = option(destination, "count", 1);
    c->segment = option(destination, "segment", 0);
    c->block_size = c->block_sent = 0; /* nothing is under way */
    if (c->block && !memcmp(&shape, &c->shape, sizeof shape))
        return;
    struct buffer frame = {0};
    render(&frame, &shape, c);
    c->shape = shape;
    c->frame_size = frame.end;
    c->frames = BLOCK / frame.end ? BLOCK / frame.end : 1;
    if (!(c->block = realloc(c->block, c->frames * frame.end)))
        fail("a block");
    for (long index = 0; index < c->frames; index++)
        memcpy(c->block + index * frame.end, frame.data, frame.end);
    free(frame.data);
}

/* The next block of what is fired: the same bytes with new numbers. */
static void next_block(struct connection *c) {
    long frames = c->frames < c->left ? c->frames : c->left;
    for (long index = 0; index < frames; index++, c->number++)
        for (int mark = 0; mark < c->mark_count; mark++)
            write_number(c->block + index * c->frame_size + c->marks[mark], c->number);
    c->left -= frames;
    c->block_size = frames * c->frame_size;
    c->block_sent = 0;
}

static void put_message(struct connection *c, const char *body, size_t size) {
    size_t marks[MARKS];
    int count = 0;
    char line[VALUE];
    size_t before = c->out.end - c->out.begin;
    put_head(&c->out, RABBITMQ, c->subscription, marks, &count);
    for (int mark = 0; mark < count; mark++) /* marks count from the beginning of the buffer */
        if (marks[mark] >= before)
            write_number(c->out.data + c->out.begin + marks[mark], c->number);
    c->number++;
    snprintf(line, sizeof line, "content-length:%zu\n\n", size);
    put_text(&c->out, line);
    put(&c->out, body, size);
    put_end(&c->out);
}

/* ------------------------------------------------------------------------------------------------- sending */

static int write_some(struct connection *c, const char *data, size_t size, size_t *sent) {
    ssize_t done = send(c->fd, data, size, MSG_NOSIGNAL);
    if (done < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            c->gone = 1;
        return 0;
    }
    *sent += done;
    return 1;
}

static int wants_to_write(const struct connection *c) {
    return c->out.begin < c->out.end || c->block_sent < c->block_size || c->left > 0;
}

/* Write until the kernel takes no more. Replies go out between blocks, never within a frame. */
static void flush(struct connection *c) {
    while (!c->gone && wants_to_write(c)) {
        if (c->block_sent < c->block_size) {
            size_t size = c->block_size - c->block_sent;
            if (c->segment && size > c->segment)
                size = c->segment;
            if (!write_some(c, c->block + c->block_sent, size, &c->block_sent))
                return;
        } else if (c->out.begin < c->out.end) {
            if (!write_some(c, c->out.data + c->out.begin, c->out.end - c->out.begin, &c->out.begin))
                return;
        } else {
            next_block(c);
        }
    }
    if (c->leaving)
        c->gone = 1;
}

/* --------------------------------------------------------------------------------------------------- frames */

struct frame {
    const char *command;
    size_t command_size;
    const char *body;
    size_t body_size;
    long length; /* content-length, or -1 */
    char destination[VALUE], id[VALUE], receipt[VALUE], versions[VALUE], heartbeat[VALUE];
};

static void keep(char *into, const char *value, size_t size) {
    if (!*into && size < VALUE) { /* of repeated headers the first one counts */
        memcpy(into, value, size);
        into[size] = 0;
    }
}

static void take_header(struct frame *f, const char *line, size_t size) {
    const char *colon = memchr(line, ':', size);
    if (!colon)
        return;
    size_t name = colon - line, rest = size - name - 1;
    const char *value = colon + 1;
#define IS(text) (name == sizeof text - 1 && !memcmp(line, text, name))
    if (IS("destination"))
        keep(f->destination, value, rest);
    else if (IS("id"))
        keep(f->id, value, rest);
    else if (IS("receipt"))
        keep(f->receipt, value, rest);
    else if (IS("accept-version"))
        keep(f->versions, value, rest);
    else if (IS("heart-beat"))
        keep(f->heartbeat, value, rest);
    else if (IS("content-length") && f->length < 0)
        f->length = atol(value);
#undef IS
}

/* Read the head that begins at data: its size with the empty line, or 0 if that has not come. */
static size_t take_head(struct frame *f, const char *data, size_t size) {
    const char *at = data, *end = data + size;
    memset(f, 0, sizeof *f);
    f->length = -1;
    for (;;) {
        const char *stop = memchr(at, '\n', end - at);
        if (!stop)
            return 0;
        size_t length = stop - at;
        if (length && at[length - 1] == '\r')
            length--;
        if (!length && at > data)
            return stop + 1 - data;
        if (at == data) {
            f->command = at;
            f->command_size = length;
        } else {
            take_header(f, at, length);
        }
        at = stop + 1;
    }
}

static int is(const struct frame *f, const char *command) {
    return f->command_size == strlen(command) && !memcmp(f->command, command, f->command_size);
}

static void subscribe(struct connection *c, const struct frame *f) {
    static const char bench[] = "/bench/";
    const char *path = f->destination;
    memset(c->subscription, 0, sizeof c->subscription);
    strcpy(c->subscription, *f->id ? f->id : "0");
    if (strncmp(path, bench, sizeof bench - 1))
        return;
    path += sizeof bench - 1;
    if (!strncmp(path, "fire", 4)) {
        load(c, f->destination);
        if (option(path, "acks", 0))
            c->awaited = c->left;
    } else if (!strncmp(path, "sink", 4)) {
        c->awaited = option(path, "count", 1);
    } else if (!strncmp(path, "echo", 4)) {
        c->echoing = 1;
    } else if (!strncmp(path, "stall", 5)) {
        c->stalled = 1;
    }
}

static void connect_client(struct connection *c, const struct frame *f) {
    char head[VALUE];
    long sends = 0, wants = 0;
    sscanf(f->heartbeat, "%ld,%ld", &sends, &wants);
    snprintf(head, sizeof head, CONNECTED, strstr(f->versions, "1.2") ? "1.2" : "1.1", wants, sends);
    put_text(&c->out, head);
    put_end(&c->out);
    c->beat = wants;
    c->next_beat = milliseconds() + wants;
}

static void handle(struct connection *c, const struct frame *f) {
    if (is(f, "SEND")) {
        if (c->echoing && !strncmp(f->destination, "/bench/echo", 11))
            put_message(c, f->body, f->body_size);
    } else if (is(f, "CONNECT") || is(f, "STOMP")) {
        connect_client(c, f);
    } else if (is(f, "SUBSCRIBE")) {
        subscribe(c, f);
    } else if (is(f, "UNSUBSCRIBE")) {
        c->echoing = 0;
    } else if (is(f, "DISCONNECT")) {
        c->leaving = 1;
    }
    if (*f->receipt) {
        char head[VALUE + 64];
        snprintf(head, sizeof head, "RECEIPT\nreceipt-id:%s\n\n", f->receipt);
        put_text(&c->out, head);
        put_end(&c->out);
    }
}

/* Count frames. A client that sends more of them than it promised has a defect that must not go unnoticed. */
static void count(struct connection *c, const char *data, size_t size) {
    const char *at = data, *end = data + size;
    while (at < end && (at = memchr(at, 0, end - at))) {
        at++;
        if (--c->awaited == 0) {
            put_message(c, "", 0);
            break;
        }
    }
    if (at && memchr(at, 0, end - at)) {
        fprintf(stderr, "more frames than the client promised\n");
        c->gone = 1;
    }
}

/* Take the frames that are whole. Returns how much was used. */
static size_t take(struct connection *c, const char *data, size_t size) {
    size_t at = 0;
    struct frame f;
    while (at < size && !c->gone && !c->leaving && !c->stalled) {
        if (data[at] == '\n' || data[at] == '\r') {
            at++;
            c->searched = 0;
            continue;
        }
        size_t head = take_head(&f, data + at, size - at);
        if (!head)
            break;
        f.body = data + at + head;
        size_t rest = size - at - head;
        if (f.length >= 0) {
            if ((size_t)f.length >= rest)
                break;
            f.body_size = f.length;
        } else {
            size_t from = c->searched > head ? c->searched - head : 0;
            const char *stop = memchr(f.body + from, 0, rest - from);
            if (!stop) {
                c->searched = size - at;
                break;
            }
            f.body_size = stop - f.body;
        }
        at += head + f.body_size + 1;
        c->searched = 0;
        handle(c, &f);
        if (c->awaited) { /* the rest came behind the SUBSCRIBE that asked to count */
            count(c, data + at, size - at);
            at = size;
        }
    }
    return at;
}

static void receive(struct connection *c) {
    static char data[READ];
    ssize_t size = recv(c->fd, data, sizeof data, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (size <= 0) {
        c->gone = 1;
        return;
    }
    if (c->awaited) {
        count(c, data, size);
    } else if (c->in.begin == c->in.end) {
        size_t used = take(c, data, size);
        if (!c->stalled)
            put(&c->in, data + used, size - used);
    } else {
        put(&c->in, data, size);
        c->in.begin += take(c, c->in.data + c->in.begin, c->in.end - c->in.begin);
        if (c->in.end - c->in.begin > LARGEST)
            c->gone = 1;
    }
    flush(c);
}

/* ---------------------------------------------------------------------------------------------- the one loop */

static void welcome(int listener) {
    int fd, on = 1;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c || fcntl(fd, F_SETFL, O_NONBLOCK) || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
            fail("a connection");
        c->fd = fd;
        c->next = connections;
        connections = c;
    }
}

/* Send the heart-beats that are due. Returns how long nothing will be, in milliseconds, or -1 for ever. */
static int beat(void) {
    long long now = milliseconds(), first = -1;
    for (struct connection *c = connections; c; c = c->next) {
        if (!c->beat || c->gone)
            continue;
        if (c->next_beat <= now) {
            put(&c->out, "\n", 1);
            flush(c);
            c->next_beat = now + c->beat;
        }
        if (first < 0 || c->next_beat < first)
            first = c->next_beat;
    }
    return first < 0 ? -1 : (int)(first - now);
}

static void bury(void) {
    struct connection **at = &connections, *c;
    while ((c = *at)) {
        if (c->gone) {
            *at = c->next;
            close(c->fd);
            free(c->in.data);
            free(c->out.data);
            free(c->block);
            free(c);
        } else {
            at = &c->next;
        }
    }
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)&address, sizeof address) || listen(fd, 4096) || fcntl(fd, F_SETFL, O_NONBLOCK) ||
        getsockname(fd, (void *)&address, &size))
        fail("listening");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void) {
    struct pollfd *waiting = NULL;
    struct connection **order = NULL;
    size_t capacity = 0;
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int listener = listen_on_loopback();
    for (;;) {
        int patience = beat();
        size_t number = 2;
        for (struct connection *c = connections; c; c = c->next)
            number++;
        if (number > capacity) {
            capacity = number * 2;
            waiting = realloc(waiting, capacity * sizeof *waiting);
            order = realloc(order, capacity * sizeof *order);
            if (!waiting || !order)
                fail("the list of connections");
        }
        waiting[0] = (struct pollfd){.fd = 0, .events = POLLIN};
        waiting[1] = (struct pollfd){.fd = listener, .events = POLLIN};
        number = 2;
        for (struct connection *c = connections; c; c = c->next, number++) {
            order[number] = c;
            waiting[number] = (struct pollfd){
                .fd = c->fd, .events = (c->stalled ? 0 : POLLIN) | (wants_to_write(c) ? POLLOUT : 0)};
        }
        if (poll(waiting, number, patience) < 0 && errno != EINTR)
            fail("poll");
        if (waiting[0].revents) {
            char ignored[64];
            if (read(0, ignored, sizeof ignored) <= 0)
                return 0;
        }
        for (size_t index = 2; index < number; index++) {
            struct connection *c = order[index];
            if (c->stalled && waiting[index].revents & (POLLHUP | POLLERR))
                c->gone = 1;
            else if (waiting[index].revents & (POLLIN | POLLHUP | POLLERR))
                receive(c);
            if (!c->gone && waiting[index].revents & POLLOUT)
                flush(c);
        }
        if (waiting[1].revents)
            welcome(listener);
        bury();
    }
}
