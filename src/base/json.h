/*
 * json.h - a strict walk through a small JSON object, for tokens and key sets.
 *
 * PostgreSQL's parser does the parsing; what it would accept silently and a security
 * token must not contain is refused here: members named twice, deep nesting, anything
 * but an object outside, bytes that are not UTF-8.
 */
#ifndef TOMS_JSON_H
#define TOMS_JSON_H

#include "postgres.h"

#define TOMS_JSON_MAX_DEPTH 8

typedef enum TomsJsonEvent
{
	TOMS_JSON_STRING,
	TOMS_JSON_NUMBER,
	TOMS_JSON_TRUE,
	TOMS_JSON_FALSE,
	TOMS_JSON_NULL,
	TOMS_JSON_OBJECT_START,
	TOMS_JSON_OBJECT_END,
	TOMS_JSON_ARRAY_START
} TomsJsonEvent;

typedef struct TomsJsonItem
{
	TomsJsonEvent event;
	int			depth;			/* 1: a member of the outer object */
	const char *names[TOMS_JSON_MAX_DEPTH + 1]; /* names[1..depth]; NULL in an array */
	const char *text;			/* of a string or number */
} TomsJsonItem;

/*
 * Called for each item in order; false stops the walk (nothing more is delivered).
 * item and text live until the callback returns.
 */
typedef bool (*TomsJsonVisit) (void *arg, const TomsJsonItem *item);

/*
 * Returns NULL if the whole text is one acceptable object and no callback said stop;
 * else what is wrong with it, without quoting the text.  Allocates in the current
 * memory context; needs no transaction.
 */
extern const char *toms_json_walk(const char *json, size_t length,
								  TomsJsonVisit visit, void *arg);

#endif							/* TOMS_JSON_H */
