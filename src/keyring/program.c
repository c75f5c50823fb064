/*
 * program.c - see program.h.
 *
 * Called by provider_program.c and sync.c.  The backend waits in poll(2), which a signal
 * interrupts, and looks at its own interrupts at least ten times a second.  What the program
 * prints goes where the caller says and is copied to no other place.
 */
#include "keyring/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#define INPUT_BYTES 512			/* a pipe takes that much without a reader */
#define LAP 100					/* milliseconds */

/* A stream of the program that is read here. */
typedef struct Stream
{
	int			fd;				/* -1: it has ended */
	char	   *text;			/* NULL: not wanted */
	size_t		size;
	size_t		length;
	bool		overflown;
} Stream;

typedef struct Run
{
	pid_t		pid;			/* 0: there is no process to wait for */
	int			input;
	Stream		output;
	Stream		error;
	int			child_output;
	int			child_error;
} Run;

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Also when the backend ends: nothing of the program stays behind. */
static void
end_run(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	close_fd(&run->input);
	close_fd(&run->output.fd);
	close_fd(&run->error.fd);
	close_fd(&run->child_output);
	close_fd(&run->child_error);
	if (run->pid == 0)
		return;
	kill(-run->pid, SIGKILL);
	kill(run->pid, SIGKILL);	/* if it is not in its own session yet */
	while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
		;
	run->pid = 0;
}

/* A pipe that the program writes into and the backend reads without waiting. */
static bool
open_stream(Stream *stream, int *child_end)
{
	int			ends[2];

	if (pipe(ends) < 0)
		return false;
	stream->fd = ends[0];
	*child_end = ends[1];
	return fcntl(stream->fd, F_SETFL, O_NONBLOCK) == 0;
}

/* The whole input is in the pipe before anybody reads it. */
static bool
open_input(Run *run, const char *input)
{
	size_t		length = input ? strlen(input) : 0;
	int			ends[2];
	bool		written;

	Assert(length <= INPUT_BYTES);
	if (pipe(ends) < 0)
		return false;
	run->input = ends[0];
	written = write(ends[1], input, length) == (ssize_t) length;
	close(ends[1]);
	return written;
}

static void
close_all_from(int first)
{
	long		limit = sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
#endif
	for (int fd = first; fd < Min(limit, 65536); fd++)
		close(fd);
}

static void become_program(const Run *run, const char *const *arguments) __attribute__((noreturn));

/* In the child, with all signals blocked: only calls that are safe after fork(). */
static void
become_program(const Run *run, const char *const *arguments)
{
	sigset_t	none;
	const char *reason;

	setsid();
	if (dup2(run->input, STDIN_FILENO) < 0 || dup2(run->child_output, STDOUT_FILENO) < 0 ||
		dup2(run->child_error, STDERR_FILENO) < 0)
		_exit(127);
	close_all_from(STDERR_FILENO + 1);
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(arguments[0], (char *const *) arguments);
	reason = strerror(errno);
	if (write(STDERR_FILENO, reason, strlen(reason)) < 0)
		_exit(126);
	_exit(127);
}

static bool
start(Run *run, const TomsProgram *program)
{
	sigset_t	all;
	sigset_t	before;

	if (!open_input(run, program->input) || !open_stream(&run->output, &run->child_output) ||
		!open_stream(&run->error, &run->child_error))
		return false;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	run->pid = fork();
	if (run->pid == 0)
		become_program(run, program->arguments);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (run->pid < 0)
	{
		run->pid = 0;
		return false;
	}
	close_fd(&run->input);
	close_fd(&run->child_output);
	close_fd(&run->child_error);
	return true;
}

/* What there is to read at the moment; the text stays terminated. */
static void
drain(Stream *stream)
{
	while (stream->fd >= 0)
	{
		char		beyond[64];
		size_t		room = stream->text ? stream->size - 1 - stream->length : 0;
		ssize_t		got = read(stream->fd, room ? stream->text + stream->length : beyond, room ? room : sizeof(beyond));

		if (got < 0)
		{
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				close_fd(&stream->fd);
			return;
		}
		if (got == 0)
			close_fd(&stream->fd);
		else if (room)
		{
			stream->length += got;
			stream->text[stream->length] = '\0';
		}
		else
		{
			toms_secret_wipe(beyond, sizeof(beyond));
			stream->overflown = true;
		}
	}
}

/* Until it prints something, ends, or a while has passed. */
static void
wait_a_while(const Run *run)
{
	struct pollfd fds[2] = {{run->output.fd, POLLIN, 0}, {run->error.fd, POLLIN, 0}};
	bool		silent = run->output.fd < 0 && run->error.fd < 0;

	if (poll(fds, lengthof(fds), silent ? 1 : LAP) < 0 && errno != EINTR)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not wait for a program: %m")));
	CHECK_FOR_INTERRUPTS();
}

/* Whether it has ended, and how. */
static bool
has_ended(Run *run, int *status)
{
	pid_t		ended = waitpid(run->pid, status, WNOHANG);

	if (ended == 0 || (ended < 0 && errno == EINTR))
		return false;
	run->pid = 0;
	if (ended < 0)
		*status = -1;
	return true;
}

/* From its start to its end; returns what went wrong. */
static char *
follow(Run *run, TomsProgram *program)
{
	TimestampTz started = toms_clock_steady();
	int			status;

	if (!start(run, program))
		return psprintf("it could not be started: %s", strerror(errno));
	while (!has_ended(run, &status))
	{
		drain(&run->output);
		drain(&run->error);
		if (program->timeout > 0 && TimestampDifferenceExceeds(started, toms_clock_steady(), program->timeout))
			return psprintf("it did not answer within %d ms and was killed", program->timeout);
		wait_a_while(run);
	}
	drain(&run->output);
	drain(&run->error);
	if (WIFSIGNALED(status))
		return psprintf("it was ended by signal %d", WTERMSIG(status));
	if (!WIFEXITED(status))
		return pstrdup("it is not known how it ended");
	program->exit_code = WEXITSTATUS(status);
	return run->output.overflown && program->output ? pstrdup("it printed too much") : NULL;
}

/* One line of letters that cannot harm a log. */
static void
tidy_complaint(char *complaint)
{
	complaint[strcspn(complaint, "\r\n")] = '\0';
	for (char *c = complaint; *c; c++)
	{
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

char *
toms_program_run(TomsProgram *program)
{
	Run			run = {.input = -1,.child_output = -1,.child_error = -1};
	char	   *problem;

	run.output = (Stream) {.fd = -1,.text = program->output,.size = program->output_size};
	run.error = (Stream) {.fd = -1,.text = program->complaint,.size = sizeof(program->complaint)};
	program->exit_code = -1;
	program->complaint[0] = '\0';
	if (program->output)
		program->output[0] = '\0';

	PG_ENSURE_ERROR_CLEANUP(end_run, PointerGetDatum(&run));
	{
		problem = follow(&run, program);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_run, PointerGetDatum(&run));
	end_run(0, PointerGetDatum(&run));
	tidy_complaint(program->complaint);
	return problem;
}
