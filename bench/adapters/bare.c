/* Bare sockets in C: what the machine does when the client does nothing. It counts NULs, and sends what was rendered.
 *
 *     bare kind=receive port=...        see bench/work.py; prints one line of JSON
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ = 256 * 1024, WRITE = 64 * 1024, STEP = 20 };
static const double ENOUGH = 0.6; /* as in bench/measuring.py */

static const char *kind = "", *query = "", *host = "127.0.0.1", *destination = "/queue/bench", *form = "bytes";
static long port, size = 100, asked, window = 1;
static double seconds = 0.6;

static int connection;
static char *frame; /* a SEND */
static size_t frame_size;
static double *durations;

static double now(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t done = send(fd, data, length, MSG_NOSIGNAL);
        if (done <= 0)
            fail("send");
        data += done;
        length -= done;
    }
}

static void write_text(int fd, const char *text) { write_all(fd, text, strlen(text) + 1); }

/* Read until this many NULs have arrived; acknowledge each but the last if `acks` is set. */
static void read_frames(int fd, long frames, int acknowledge) {
    static const char ACK[] = "ACK\nid:T_1@@session-Vn2kTz8wQ@@0000000001\n\n";
    static char data[READ], acks[READ];
    while (frames > 0) {
        ssize_t length = recv(fd, data, sizeof data, 0);
        if (length <= 0)
            fail("recv");
        size_t fill = 0;
        for (char *at = data; (at = memchr(at, 0, data + length - at)); at++) {
            if (--frames && acknowledge) {
                memcpy(acks + fill, ACK, sizeof ACK);
                if ((fill += sizeof ACK) > sizeof acks - sizeof ACK) {
                    write_all(fd, acks, fill);
                    fill = 0;
                }
            }
        }
        write_all(fd, acks, fill);
    }
}

static int open_connection(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    inet_pton(AF_INET, host, &address.sin_addr);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address))
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    write_text(fd, "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n");
    read_frames(fd, 1, 0);
    return fd;
}

static void subscribe(const char *format, long count) {
    char text[1024];
    int used = snprintf(text, sizeof text, "SUBSCRIBE\nid:1\nack:client-individual\ndestination:");
    used += snprintf(text + used, sizeof text - used, format, count, size, *query ? "&" : "", query);
    snprintf(text + used, sizeof text - used, "\n\n");
    write_text(connection, text);
}

static void render(const char *to, const char *more) {
    char head[512];
    int used = snprintf(head, sizeof head, "SEND\ndestination:%s\ncontent-length:%ld\n%s\n", to, size, more);
    free(frame);
    if (!(frame = malloc(used + size + 1)))
        fail("a frame");
    memcpy(frame, head, used);
    memset(frame + used, '.', size);
    frame[used + size] = 0;
    frame_size = used + size + 1;
}

/* The same frame again and again, in large writes. */
static void write_frames(long count) {
    long most = WRITE / frame_size ? WRITE / frame_size : 1;
    char *many = malloc(most * frame_size);
    for (long index = 0; index < most; index++)
        memcpy(many + index * frame_size, frame, frame_size);
    for (; count > 0; count -= most)
        write_all(connection, many, (count < most ? count : most) * frame_size);
    free(many);
}

static void once(const char *to) {
    if (!strcmp(kind, "connect")) {
        int fd = open_connection();
        write_text(fd, "DISCONNECT\nreceipt:bye\n\n");
        read_frames(fd, 1, 0);
        close(fd);
        return;
    }
    if (!strcmp(kind, "pair")) {
        render(to, "");
        write_all(connection, frame, frame_size);
    }
    render(to, strcmp(kind, "roundtrip") ? "receipt:1\n" : "");
    write_all(connection, frame, frame_size);
    read_frames(connection, 1, 0);
}

/* Do it. Returns 1 if there is a duration for each. */
static int run(long count) {
    if (!strcmp(kind, "receive")) {
        subscribe("/bench/fire?count=%ld&size=%ld%s%s", count);
        read_frames(connection, count, 0);
    } else if (!strcmp(kind, "acknowledge")) {
        subscribe("/bench/fire?count=%ld&size=%ld%s%s&acks=1", count);
        read_frames(connection, count + 1, 1);
    } else if (!strcmp(kind, "send")) {
        subscribe("/bench/sink?count=%ld&size=%ld%s%s", count);
        render("/queue/bench", "");
        write_frames(count);
        read_frames(connection, 1, 0);
    } else if (!strcmp(kind, "confirm") && window > 1) {
        render(destination, "receipt:1\n");
        for (long sent = 0; sent < count; sent += window) {
            long batch = count - sent < window ? count - sent : window;
            write_frames(batch);
            read_frames(connection, batch, 0);
        }
    } else if (!strcmp(kind, "confirm") || !strcmp(kind, "pair") || !strcmp(kind, "roundtrip") || !strcmp(kind, "connect")) {
        int echo = !strcmp(kind, "roundtrip");
        if (echo)
            subscribe("/bench/echo?count=%ld&size=%ld%s%s", count);
        durations = realloc(durations, count * sizeof *durations);
        for (long index = 0; index < count; index++) {
            double begin = now(CLOCK_MONOTONIC);
            once(echo ? "/bench/echo" : "/queue/bench");
            durations[index] = now(CLOCK_MONOTONIC) - begin;
        }
        return 1;
    } else {
        printf("{\"unsupported\": \"bare sockets in C do not know how\"}\n");
        exit(0);
    }
    return 0;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(long count, int percent) {
    long rank = (percent * count + 99) / 100;
    return durations[(rank > 1 ? rank : 1) - 1];
}

static void read_words(int count, char **words) {
    for (int index = 1; index < count; index++) {
        char *value = strchr(words[index], '=');
        if (!value)
            continue;
        *value++ = 0;
#define IS(name) (!strcmp(words[index], name))
        if (IS("kind")) kind = value;
        else if (IS("query")) query = value;
        else if (IS("host")) host = value;
        else if (IS("destination")) destination = value;
        else if (IS("port")) port = atol(value);
        else if (IS("size")) size = atol(value);
        else if (IS("count")) asked = atol(value);
        else if (IS("window")) window = atol(value);
        else if (IS("form")) form = value;
        else if (IS("seconds")) seconds = atof(value);
#undef IS
    }
    if (strstr(query, "nul=1")) {
        printf("{\"unsupported\": \"bare sockets count NULs\"}\n");
        exit(0);
    }
    if (strcmp(form, "bytes") && strcmp(form, "text")) {
        printf("{\"unsupported\": \"bare sockets send a frame that was made before\"}\n");
        exit(0);
    }
}

int main(int argc, char **argv) {
    read_words(argc, argv);
    connection = open_connection();
    long count = asked ? asked : (32L << 20) / (size + 1);
    if (!asked)
        count = count < 1 ? 1 : count > 10 ? 10 : count;
    for (;;) {
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), begin = now(CLOCK_MONOTONIC);
        int each = run(count);
        double total = now(CLOCK_MONOTONIC) - begin;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        write_text(connection, "UNSUBSCRIBE\nid:1\n\n");
        if (asked || total >= ENOUGH * seconds) {
            printf("{\"version\": \"C\", \"count\": %ld, \"rate\": %g, \"cpu\": %g, \"peak\": 0", count, count / total, cpu / count);
            if (!each && count == 1) {
                durations = realloc(durations, sizeof *durations);
                *durations = total;
            }
            if (each || count == 1) {
                qsort(durations, count, sizeof *durations, ascending);
                printf(", \"p50\": %g, \"p99\": %g", quantile(count, 50), quantile(count, 99));
            }
            printf("}\n");
            return 0;
        }
        double times = seconds / total < STEP ? seconds / total : STEP;
        count = count * times > count + 1 ? count * times : count + 1;
        usleep(60000);
    }
}
