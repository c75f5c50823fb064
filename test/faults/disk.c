/*
 * disk.c - a disk that fails, below one path, while a server runs.
 *
 * Preloaded by test/lib/FaultTest.pm.  The file that TOMS_FAULT names holds "FAULT PATH"; it is
 * looked at in each call, so that the fault begins and ends with it:
 *
 *   full         files do not grow
 *   nearly-full  files grow to a multiple of 32 bytes
 *   readonly     nothing is written, made, renamed or deleted
 *   broken       nothing becomes durable
 *   forgetful    files do, their names do not
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNIT 32
#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* The fault that is to be, and below what; false: none. */
static int
current_fault(char fault[16], char place[PATH_MAX])
{
	const char *control = getenv("TOMS_FAULT");
	char		text[PATH_MAX + 16];
	int			fd = control ? (int) syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t		length;

	if (fd < 0)
		return 0;
	length = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	text[length > 0 ? length : 0] = '\0';
	return sscanf(text, "%15s %4095s", fault, place) == 2;
}

/* Whether this fault is to be at this absolute path. */
static int
is_at(const char *path, const char *fault)
{
	int			saved = errno;
	char		now[16];
	char		place[PATH_MAX];
	int			is = current_fault(now, place) && strcmp(now, fault) == 0 && strncmp(path, place, strlen(place)) == 0;

	errno = saved;
	return is;
}

static int
is_at_path(const char *path, const char *fault)
{
	char		absolute[2 * PATH_MAX];

	if (path[0] == '/')
		return is_at(path, fault);
	if (getcwd(absolute, PATH_MAX) == NULL)
		return 0;
	strcat(strcat(absolute, "/"), path);
	return is_at(absolute, fault);
}

static int
is_at_fd(int fd, const char *fault)
{
	char		link[32];
	char		path[PATH_MAX];
	ssize_t		length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0 || path[0] != '/')
		return 0;
	path[length] = '\0';
	return is_at(path, fault);
}

/* How much of what is to be written is: all of it, a part, or -1 with an error. */
static ssize_t
room(int fd, off_t start, size_t count)
{
	struct stat st;
	int			grows = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && start + (off_t) count > st.st_size;
	size_t		left = 0;

	if (is_at_fd(fd, "readonly"))
		return errno = EROFS, -1;
	if (!grows || !(is_at_fd(fd, "full") || is_at_fd(fd, "nearly-full")))
		return count;
	if (is_at_fd(fd, "nearly-full") && (start == 0 || start % UNIT != 0))
		left = UNIT - start % UNIT;
	return left > 0 ? (ssize_t) (left < count ? left : count) : (errno = ENOSPC, -1);
}

/* Where write() writes. */
static off_t
position(int fd)
{
	return lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
}

ssize_t
write(int fd, const void *bytes, size_t count)
{
	ssize_t		left = room(fd, position(fd), count);

	return left < 0 ? -1 : syscall(SYS_write, fd, bytes, left);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
	ssize_t		left = room(fd, offset, count);

	return left < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, left, offset);
}

ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
	return pwrite64(fd, bytes, count, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset)
{
	size_t		all = 0;
	ssize_t		left;

	for (int i = 0; i < count; i++)
		all += pieces[i].iov_len;
	left = room(fd, offset, all);
	if (left == (ssize_t) all)
		return REAL(pwritev64) (fd, pieces, count, offset);
	return left < 0 ? -1 : syscall(SYS_pwrite64, fd, pieces[0].iov_base, left, offset);
}

ssize_t
pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	return pwritev64(fd, pieces, count, offset);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	ssize_t		left = room(fd, offset, length);

	return left < 0 ? errno : left < length ? ENOSPC : REAL(posix_fallocate64) (fd, offset, length);
}

int
posix_fallocate(int fd, off_t offset, off_t length)
{
	return posix_fallocate64(fd, offset, length);
}

static int
open_at(int directory, const char *path, int flags, mode_t mode)
{
	if (((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)) && is_at_path(path, "readonly"))
		return errno = EROFS, -1;
	return syscall(SYS_openat, directory, path, flags, mode);
}

#define OPEN(name) \
int \
name(const char *path, int flags, ...) \
{ \
	va_list		rest; \
	mode_t		mode; \
\
	va_start(rest, flags); \
	mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
	va_end(rest); \
	return open_at(AT_FDCWD, path, flags, mode); \
}

OPEN(open)
OPEN(open64)

#define READONLY(name, parameters, arguments, path) \
int \
name parameters \
{ \
	if (is_at_path(path, "readonly")) \
		return errno = EROFS, -1; \
	return REAL(name) arguments; \
}

READONLY(unlink, (const char *path), (path), path)
READONLY(mkdir, (const char *path, mode_t mode), (path, mode), path)
READONLY(rmdir, (const char *path), (path), path)
READONLY(rename, (const char *from, const char *to), (from, to), to)
READONLY(link, (const char *from, const char *to), (from, to), to)

static int
is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

#define FLUSH(name, number) \
int \
name(int fd) \
{ \
	if (is_at_fd(fd, "broken") || (is_folder(fd) && is_at_fd(fd, "forgetful"))) \
		return errno = EIO, -1; \
	return syscall(number, fd); \
}

FLUSH(fsync, SYS_fsync)
FLUSH(fdatasync, SYS_fdatasync)
