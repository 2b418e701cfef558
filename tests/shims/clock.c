/*
 * Lets the clock of one process be wrong.
 *
 * Loaded by LD_PRELOAD. The file that CLOCK_OFFSET_FILE names holds the seconds to add, as an integer of 64 bits; who
 * writes it sets the clock at once. Times that are measured, and not read from the clock, stay right.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define LOOK_AGAIN (SECOND / 10)

static const volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) abort();
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) abort();
    offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (!failed && is_wall && offset) now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){.tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *also) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (also) *also = now.tv_sec;
    return now.tv_sec;
}

/* As the kernel does, ends a wait when the wrong clock comes to its deadline, which a jump puts off. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict lock, const struct timespec *restrict deadline) {
    static int (*volatile next)(cnd_t *, mtx_t *, const struct timespec *);
    if (!next) next = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, __func__);
    for (;;) {
        struct timespec now, look_again;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t left = (deadline->tv_sec - now.tv_sec) * SECOND + deadline->tv_nsec - now.tv_nsec;
        if (left <= 0) return thrd_timedout;
        syscall(SYS_clock_gettime, CLOCK_REALTIME, &look_again);
        int64_t until = look_again.tv_nsec + (left < LOOK_AGAIN ? left : LOOK_AGAIN);
        look_again = (struct timespec){look_again.tv_sec + until / SECOND, until % SECOND};
        int outcome = next(condition, lock, &look_again);
        if (outcome != thrd_timedout) return outcome;
    }
}
