/*
 * proof.c - libFuzzer's harness of toms-verify: what it reads from files.
 *
 * Built and run by "make fuzz".  Of an input the first byte chooses what it is read
 * as.  Whatever is in it, the program names faults and neither ends nor reads beyond it.  Every
 * signature fits here, so that what stands behind them is reached too.
 */
#include "verify.h"

int
crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *message, unsigned long long size, const unsigned char *key)
{
	return signature[0] == 0xFF || message[size - 1] == 0xFF || key[0] == 0xFF;
}

static void
each_line(const char *text, size_t size, void (*check) (Text line))
{
	const char *end = text + size;

	while (text < end)
	{
		const char *feed = memchr(text, '\n', end - text);
		size_t		length = (feed ? feed : end) - text;
		char	   *line = malloc(length);	/* to the byte, for the address sanitizer */

		memcpy(line, text, length);
		check((Text) {line, length});
		free(line);
		release_scratch();
		text += length + 1;
	}
}

static void
read_as(char what, const char *text, size_t size)
{
	switch (what)
	{
		case 'l':
			log_start();
			each_line(text, size, log_line);
			log_end();
			break;
		case 'c':
			chain_start();
			each_line(text, size, chain_line);
			chain_end();
			break;
		case 'a':
			archive_start();
			each_line(text, size, archive_line);
			archive_end();
			archives_end();
			break;
		case 'r':
			check_certificate((Text) {text, size});
			release_scratch();
			break;
		case 'm':
			check_report((Text) {text, size});
			release_scratch();
			break;
		default:
			check_proof((Text) {text, size});
			release_scratch();
	}
}

int			LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static bool started = false;

	if (!started && sodium_init() < 0)
		abort();
	started = true;
	if (size > 0)
		read_as((char) input[0], (const char *) input + 1, size - 1);
	return 0;
}
