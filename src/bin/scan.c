/*
 * scan.c - reads what toms-keys wrote, by template and in no other form.
 *
 * Called for every file that it reads, in place of a parser: what is read was written by
 * this program, or it is refused.
 */
#include "toms-keys.h"

bool
skip(const char **at, const char *text)
{
	size_t		len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

bool
take(const char **at, char *into, size_t size)
{
	size_t		len = strspn(*at, WORD_CHARS);

	if (len == 0 || len >= size)
		return false;
	memcpy(into, *at, len);
	into[len] = '\0';
	*at += len;
	return true;
}

bool
decode(const char *word, void *into, size_t size)
{
	size_t		len;

	return sodium_base642bin(into, size, word, strlen(word), NULL, &len, NULL, B64) == 0 && len == size;
}
