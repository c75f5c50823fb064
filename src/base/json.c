/*
 * json.c - toms_json_walk(): PostgreSQL's JSON parser with a security token's rules.
 *
 * Called by context (claims) and by the key set reader.  All state is on the caller's
 * stack or in the current memory context.
 */
#include "base/json.h"

#include "base/compat.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"

typedef struct Walk
{
	TomsJsonItem item;
	List	   *seen[TOMS_JSON_MAX_DEPTH + 1];	/* member names of each open object */
	int			open;			/* containers that are open */
	const char *problem;
	bool		stopped;
	TomsJsonVisit visit;
	void	   *arg;
} Walk;

static bool
done(Walk *walk)
{
	return walk->problem != NULL || walk->stopped;
}

static void
deliver(Walk *walk, TomsJsonEvent event, const char *text)
{
	walk->item.event = event;
	walk->item.depth = walk->open;
	walk->item.text = text;
	if (!walk->visit(walk->arg, &walk->item))
		walk->stopped = true;
}

static void
open_container(Walk *walk, TomsJsonEvent event)
{
	if (done(walk))
		return;
	if (walk->open == 0 && event != TOMS_JSON_OBJECT_START)
	{
		walk->problem = "it is not a JSON object";
		return;
	}
	if (walk->open == TOMS_JSON_MAX_DEPTH)
	{
		walk->problem = "it is nested too deeply";
		return;
	}
	if (walk->open > 0)
		deliver(walk, event, NULL);
	walk->open++;
	walk->item.names[walk->open] = NULL;
	walk->seen[walk->open] = NIL;
}

static TomsJsonActionResult
object_start(void *state)
{
	open_container(state, TOMS_JSON_OBJECT_START);
	TOMS_JSON_ACTION_RETURN;
}

static TomsJsonActionResult
array_start(void *state)
{
	open_container(state, TOMS_JSON_ARRAY_START);
	TOMS_JSON_ACTION_RETURN;
}

static TomsJsonActionResult
object_end(void *state)
{
	Walk	   *walk = state;

	if (!done(walk) && --walk->open > 0)
		deliver(walk, TOMS_JSON_OBJECT_END, NULL);
	TOMS_JSON_ACTION_RETURN;
}

static TomsJsonActionResult
array_end(void *state)
{
	Walk	   *walk = state;

	if (!done(walk))
		walk->open--;
	TOMS_JSON_ACTION_RETURN;
}

static TomsJsonActionResult
member_start(void *state, char *name, bool isnull)
{
	Walk	   *walk = state;
	ListCell   *cell;

	if (!done(walk))
	{
		foreach(cell, walk->seen[walk->open])
		{
			if (strcmp(lfirst(cell), name) == 0)
				walk->problem = "a member appears twice";
		}
		walk->seen[walk->open] = lappend(walk->seen[walk->open], name);
		walk->item.names[walk->open] = name;
	}
	TOMS_JSON_ACTION_RETURN;
}

static TomsJsonActionResult
scalar(void *state, char *text, JsonTokenType type)
{
	Walk	   *walk = state;

	if (!done(walk) && walk->open == 0)
		walk->problem = "it is not a JSON object";
	if (!done(walk))
		deliver(walk,
				type == JSON_TOKEN_STRING ? TOMS_JSON_STRING :
				type == JSON_TOKEN_NUMBER ? TOMS_JSON_NUMBER :
				type == JSON_TOKEN_TRUE ? TOMS_JSON_TRUE :
				type == JSON_TOKEN_FALSE ? TOMS_JSON_FALSE : TOMS_JSON_NULL,
				text);
	TOMS_JSON_ACTION_RETURN;
}

const char *
toms_json_walk(const char *json, size_t length, TomsJsonVisit visit, void *arg)
{
	Walk		walk = {.visit = visit,.arg = arg};
	JsonSemAction actions = {
		.semstate = &walk,
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = member_start,
		.scalar = scalar,
	};

	if (memchr(json, '\0', length) != NULL)
		return "it holds a null byte";
	if (!pg_verify_mbstr(PG_UTF8, json, length, true))
		return "it is not UTF-8";
	if (pg_parse_json(toms_json_lexer(unconstify(char *, json), length), &actions) != JSON_SUCCESS)
		return walk.problem ? walk.problem : "it is not valid JSON";
	if (walk.problem)
		return walk.problem;
	return walk.stopped ? "a member is not acceptable" : NULL;
}
