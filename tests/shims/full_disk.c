/*
 * Lets the disk be full for one process: a file that would grow does not, and what is there can be written over.
 *
 * Loaded by LD_PRELOAD. It concerns files whose path contains the text in the file that FULL_DISK_FILE names, while
 * that file exists.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096

static int is_full_for(int file, off_t end) {
    const char *flag = getenv("FULL_DISK_FILE");
    if (!flag || access(flag, F_OK) != 0) return 0;
    int saved = errno, full = 0, flagged = open(flag, O_RDONLY | O_CLOEXEC);
    char part[256], link[64], path[PATH_BYTES];
    ssize_t length = flagged < 0 ? -1 : read(flagged, part, sizeof part - 1);
    if (flagged >= 0) close(flagged);
    struct stat now;
    if (length > 0 && fstat(file, &now) == 0 && S_ISREG(now.st_mode) && end > now.st_size) {
        part[length] = 0;
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            full = strstr(path, part) != NULL;
        }
    }
    errno = full ? ENOSPC : saved;
    return full;
}

static off_t total(const struct iovec *parts, int count) {
    off_t bytes = 0;
    for (int nth = 0; nth < count; nth++) bytes += (off_t)parts[nth].iov_len;
    return bytes;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    if (is_full_for(file, at + (off_t)count)) return -1;
    return syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t at) { return pwrite(file, bytes, count, at); }

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    if (is_full_for(file, at + total(parts, count))) return -1;
    return syscall(SYS_pwritev, file, parts, count, at, 0);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at) { return pwritev(file, parts, count, at); }

ssize_t write(int file, const void *bytes, size_t count) {
    off_t at = lseek(file, 0, SEEK_CUR);
    if (at >= 0 && is_full_for(file, at + (off_t)count)) return -1;
    return syscall(SYS_write, file, bytes, count);
}

int posix_fallocate(int file, off_t at, off_t count) {
    if (is_full_for(file, at + count)) return ENOSPC;
    return syscall(SYS_fallocate, file, 0, at, count) == 0 ? 0 : errno;
}

int posix_fallocate64(int file, off_t at, off_t count) { return posix_fallocate(file, at, count); }
