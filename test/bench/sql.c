/*
 * sql.c - the text that "make bench-tenant" sends: statements of a shape, messages, tokens.
 *
 * Whatever is returned is the caller's to free.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
die(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(1);
}

char *
format(const char *format,...)
{
	va_list		args;
	char	   *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die("out of memory");
	va_end(args);
	return text;
}

/* Every "name" by "value"; frees the text it gets. */
static char *
replace(char *text, const char *name, const char *value)
{
	char	   *result;
	size_t		size;
	FILE	   *out = open_memstream(&result, &size);
	const char *rest = text;
	const char *found;

	while ((found = strstr(rest, name)) != NULL)
	{
		fprintf(out, "%.*s%s", (int) (found - rest), rest, value);
		rest = found + strlen(name);
	}
	fputs(rest, out);
	fclose(out);
	free(text);
	return result;
}

/* The shape's statement as the variant sends it. */
char *
statement_of(const Shape *shape, const Variant *variant)
{
	char	   *sql;
	size_t		size;
	FILE	   *out = open_memstream(&sql, &size);
	bool		in_braces = false;

	for (const char *c = shape->sql; *c; c++)
	{
		if (*c == '{' || *c == '}')
			in_braces = *c == '{';
		else if (!in_braces || variant->by_hand)
			fputc(*c, out);
	}
	fclose(out);
	if (shape->person == NULL)
		return sql;
	return replace(replace(sql, ":tenant", shape->person->tenant), ":subject", shape->person->subject);
}

/* A message of the simple protocol: the statement, or a transaction that sets the context. */
char *
message_of(const Shape *shape, const Variant *variant, const char *sql, const char *context, const char *value)
{
	char	   *message = strdup(sql);
	char	   *whole;

	if (value)
		message = replace(message, "$1", value);
	if (!shape->transactions)
		return message;
	if (variant->setting)
		whole = format("BEGIN; SET LOCAL %s = '%s'; %s; COMMIT", variant->setting, context, message);
	else
		whole = format("BEGIN; %s; COMMIT", message);
	free(message);
	return whole;
}

/* A token of the person; the number makes it another one. */
char *
mint(const char *private_key, const Person *person, int number)
{
	long		now = (long) time(NULL);
	char	   *command = format("toms-keys mint --private '%s' --payload '{\"tenant\":\"%s\",\"sub\":\"%s\",\"role\":\"%s\","
								 "\"purpose\":\"absence_management\",\"jti\":\"%d\",\"iat\":%ld,\"exp\":%ld}'",
								 private_key, person->tenant, person->subject, person->role, number, now, now + 3600);
	char		token[4096];
	FILE	   *tool = popen(command, "r");

	if (tool == NULL || fgets(token, sizeof(token), tool) == NULL || pclose(tool) != 0)
		die("no token: %s", command);
	free(command);
	token[strcspn(token, "\n")] = '\0';
	return strdup(token);
}
