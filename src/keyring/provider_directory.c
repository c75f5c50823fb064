/*
 * provider_directory.c - keys as files of a directory.
 *
 * A key file <name>.key holds the key's line, mode 0600, owned by the server's user.  It is
 * written under another name, flushed, then linked to its own, so that a crash leaves
 * either no key or a whole one and nobody overwrites a key.  From then on others find it, so
 * that it stays, also if the directory cannot be flushed.  What others could read or
 * write is not a key any more and is refused, never repaired.
 */
#include "keyring/keyring_int.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/debug_point.h"
#include "base/flush.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "storage/fd.h"

static char *
problem_of(const char *path, const char *problem)
{
	return psprintf("\"%s\": %s", path, problem);
}

static char *
key_path(const char *directory, const char *name)
{
	return psprintf("%s/%s.key", directory, name);
}

static bool
lies_below(const char *path, const char *directory)
{
	size_t		length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Owner and mode of what must be the server's alone. */
static const char *
not_private(const struct stat *st)
{
	if (st->st_uid != geteuid())
		return "it belongs to another user than the server's";
	if (st->st_mode & (S_IRWXG | S_IRWXO))
		return "others than its owner have access to it";
	return NULL;
}

static char *
directory_problem(const char *directory, bool writing)
{
	char		keyring[PATH_MAX];
	char		data[PATH_MAX];
	struct stat st;

	if (directory[0] != '/')
		return problem_of(directory, "the path is not absolute");
	if (realpath(directory, keyring) == NULL || stat(keyring, &st) < 0)
		return problem_of(directory, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return problem_of(directory, "it is not a directory");
	if (not_private(&st))
		return problem_of(directory, not_private(&st));
	if (realpath(DataDir, data) != NULL && lies_below(keyring, data))
		return problem_of(directory, "it lies inside the data directory");
	if (writing && access(keyring, W_OK | X_OK) < 0)
		return problem_of(directory, "the server cannot write into it");
	return NULL;
}

/* Reads the whole file; returns what is wrong with it. */
static const char *
read_line(int fd, char *line)
{
	struct stat st;
	ssize_t		got;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (not_private(&st))
		return not_private(&st);
	got = read(fd, line, TOMS_KEY_LINE_BYTES - 1);
	if (got < 0)
		return strerror(errno);
	line[got] = '\0';
	return strlen(line) == (size_t) got ? NULL : "it is not a key of toms";
}

static char *
read_key(const char *directory, const char *name, char **problem)
{
	char	   *path = key_path(directory, name);
	const char *fault;
	char	   *line;
	int			fd;

	*problem = directory_problem(directory, false);
	if (*problem)
		return NULL;
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		if (errno != ENOENT)
			*problem = problem_of(path, strerror(errno));
		return NULL;
	}
	line = toms_secret_alloc(CurrentMemoryContext, TOMS_KEY_LINE_BYTES);
	fault = read_line(fd, line);
	CloseTransientFile(fd);
	if (fault == NULL)
		return line;
	*problem = problem_of(path, fault);
	return NULL;
}

static char *
write_file(const char *path, const char *text)
{
	int			fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY,
										   S_IRUSR | S_IWUSR);
	char	   *problem = NULL;

	if (fd < 0)
		return problem_of(path, strerror(errno));
	errno = ENOSPC;				/* a short write sets none */
	if (write(fd, text, strlen(text)) != (ssize_t) strlen(text) || pg_fsync(fd) != 0)
		problem = problem_of(path, strerror(errno));
	if (CloseTransientFile(fd) != 0 && problem == NULL)
		problem = problem_of(path, strerror(errno));
	if (problem)
		unlink(path);
	return problem;
}

static char *
flush_directory(const char *directory)
{
	return toms_flush_directory(directory) == 0 ? NULL : problem_of(directory, strerror(errno));
}

static char *
create_key(const char *directory, const char *name, const char *line)
{
	char	   *path = key_path(directory, name);
	char	   *temporary = psprintf("%s/%s.%d.new", directory, name, MyProcPid);
	char	   *problem;

	unlink(temporary);
	problem = write_file(temporary, line);
	if (problem)
		return problem;
	TOMS_DEBUG_POINT("keyring-before-link");
	if (link(temporary, path) != 0 && errno != EEXIST)
		problem = problem_of(path, strerror(errno));
	unlink(temporary);
	return problem;
}

static char *
destroy_key(const char *directory, const char *name)
{
	char	   *path = key_path(directory, name);
	char	   *problem = directory_problem(directory, false);

	if (problem)
		return problem;
	if (unlink(path) < 0 && errno != ENOENT)
		return problem_of(path, strerror(errno));
	return flush_directory(directory);
}

const TomsKeyProvider toms_key_directory = {
	.problem = directory_problem,
	.read = read_key,
	.create = create_key,
	.keep = flush_directory,
	.destroy = destroy_key,
	.place = key_path,
	.hint = "The keyring is a directory of the server's user with mode 0700 outside the data directory, its files have mode 0600.",
};
