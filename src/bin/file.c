/*
 * file.c - reads and writes files as a whole.
 *
 * Called for every file of toms-keys.  What it writes is on disk when it returns; it uses
 * write(2) and read(2), since stdio would keep a copy of a key.
 */
#include "toms-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

size_t
read_all(int fd, const char *file, char *buf, size_t size)
{
	size_t		len = 0;
	ssize_t		got;

	while ((got = read(fd, buf + len, size - len)) != 0)
	{
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail(file, "could not read: %s", strerror(errno));
		len += got;
		if (len == size)
			fail(file, "larger than %zu bytes", size - 1);
	}
	buf[len] = '\0';
	return len;
}

void
write_all(int fd, const char *file, const char *text)
{
	size_t		left = strlen(text);

	while (left > 0)
	{
		ssize_t		done = write(fd, text, left);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			fail(file, "could not write: %s", strerror(errno));
		text += done;
		left -= done;
	}
	if (fsync(fd) != 0)
		fail(file, "could not fsync: %s", strerror(errno));
	if (close(fd) != 0)
		fail(file, "could not close: %s", strerror(errno));
}

int
open_folder(const char *file)
{
	char	   *copy = allocate(strlen(file) + 1);
	int			fd;

	strcpy(copy, file);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(file, "could not open its folder: %s", strerror(errno));
	free(copy);
	return fd;
}

void
sync_folder(int fd, const char *file)
{
	if (fsync(fd) != 0)
		fail(file, "could not fsync its folder: %s", strerror(errno));
	close(fd);
}

static void
write_new(const char *file, const char *text, const char *what, mode_t mode)
{
	int			folder = open_folder(file);
	int			fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		fail(file, "exists, and a %s key is never overwritten", what);
	if (fd < 0)
		fail(file, "could not create: %s", strerror(errno));
	unfinished(file);
	if (fchmod(fd, mode) != 0)	/* a narrow umask may have taken the owner's bits */
		fail(file, "could not chmod: %s", strerror(errno));
	write_all(fd, file, text);
	sync_folder(folder, file);
}

void
write_private(const char *file, const char *text)
{
	write_new(file, text, "private", 0600);
}

void
write_public(const char *file, const char *text)
{
	write_new(file, text, "public", 0644);
}

static size_t
read_regular(const char *file, char *buf, size_t size, mode_t refused)
{
	struct stat st;
	int			fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t		len;

	if (fd < 0)
		fail(file, "could not open: %s", strerror(errno));
	if (fstat(fd, &st) != 0)
		fail(file, "could not stat: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		fail(file, "not a regular file");
	if (st.st_mode & refused)
		fail(file, "group or others have access: chmod 0600, and think of a new key");
	len = read_all(fd, file, buf, size);
	close(fd);
	return len;
}

size_t
read_private(const char *file, char *buf, size_t size)
{
	return read_regular(file, buf, size, S_IRWXG | S_IRWXO);
}

size_t
read_file(const char *file, char *buf, size_t size)
{
	return read_regular(file, buf, size, 0);
}

bool
may_replace(const char *file, const char *const *starts)
{
	char		start[32] = "";
	struct stat st;
	int			fd;

	if (lstat(file, &st) != 0)
		return errno == ENOENT;
	fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (!S_ISREG(st.st_mode) || fd < 0 || read(fd, start, sizeof(start) - 1) < 0)
		return false;
	close(fd);
	for (; *starts != NULL; starts++)
	{
		if (strncmp(start, *starts, strlen(*starts)) == 0)
			return true;
	}
	return false;
}

void
replace_file(const char *file, const char *text, mode_t mode)
{
	size_t		size = strlen(file) + sizeof(".XXXXXX");
	char	   *temp = allocate(size);
	int			fd;

	snprintf(temp, size, "%s.XXXXXX", file);
	fd = mkstemp(temp);
	if (fd < 0)
		fail(file, "could not create a file beside it: %s", strerror(errno));
	unfinished(temp);
	if (fchmod(fd, mode) != 0)
		fail(temp, "could not chmod: %s", strerror(errno));
	write_all(fd, temp, text);
	if (rename(temp, file) != 0)
		fail(file, "could not replace: %s", strerror(errno));
	finished();
	free(temp);
}
