/*
 * flush.c - bringing a file, or the names in a directory, to disk.
 *
 * Called by whoever keeps something outside of PostgreSQL's tables: the keyring and the log outside.
 */
#include "base/flush.h"

#include <fcntl.h>

#include "storage/fd.h"

/* Some systems cannot flush a directory, which is no failure of the disk. */
static bool
has_failed(bool is_directory)
{
	return !is_directory || (errno != EBADF && errno != EINVAL);
}

static int
flush(const char *path, int flags, bool is_directory)
{
	int			fd = OpenTransientFile(path, flags | PG_BINARY);
	int			problem;

	if (fd < 0)
		return -1;
	problem = pg_fsync(fd) != 0 && has_failed(is_directory) ? errno : 0;
	CloseTransientFile(fd);
	errno = problem;
	return problem ? -1 : 0;
}

int
toms_flush_file(const char *path)
{
	return flush(path, O_RDWR, false);
}

int
toms_flush_directory(const char *path)
{
	return flush(path, O_RDONLY, true);
}
