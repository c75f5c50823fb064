/*
 * bench.h - what a shape of query is, who runs it, and what it is held to.
 *
 * shapes.c holds the tables, sql.c makes the text that is sent, bench.c measures and prints.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>

#define MAX_MEASURES 7

/* Whose data a shape asks for: claims of a token, and the constants of a hand-written filter. */
typedef struct Person
{
	const char *tenant;
	const char *subject;
	const char *role;
} Person;

/* The servers, in the order of the driver's arguments. */
typedef enum Server
{
	WITH_TOMS,
	ONLY_LOADED,				/* has toms too; otherwise a copy of the next one */
	WITHOUT_TOMS,
	SERVER_COUNT
} Server;

/* A way of keeping tenants apart. */
typedef struct Variant
{
	const char *name;
	const char *login;
	const char *schema;
	const char *setting;		/* carries the tenant or the token; NULL: nothing does */
	bool		by_hand;		/* the statement filters itself: the text in braces is sent */
	Server		server;
} Variant;

/* One line of the result.  The first of a shape is its baseline. */
typedef struct Measure
{
	const Variant *variant;
	double		bar;			/* least ratio that is wanted; 0: for comparison only */
	bool		planned_by_other;	/* Shape.other has run the prepared statement before */
} Measure;

typedef struct Shape
{
	const char *name;

	/*
	 * {…} is for variants that filter by hand, :tenant and :subject stand for the person's, $1
	 * for a value of "values".
	 */
	const char *sql;
	const char *values;			/* statement that returns the values of $1, run by hand */
	bool		simple;			/* simple protocol; else prepared */
	bool		transactions;	/* each operation is a transaction that sets the context itself */
	int			tokens;			/* of the person, that take turns; 0: one */
	const Person *person;
	const Person *other;
	int			operations;		/* of a batch */
	int			patience;		/* this many times the usual time; 0: once */
	const char *options;		/* start-up options of all sessions */
	Measure		measures[MAX_MEASURES];
} Shape;

extern const Shape shapes[];
extern const int shape_count;

extern void die(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));
extern char *format(const char *format,...) __attribute__((format(printf, 1, 2)));
extern char *statement_of(const Shape *shape, const Variant *variant);
extern char *message_of(const Shape *shape, const Variant *variant, const char *sql, const char *context,
						const char *value);
extern char *mint(const char *private_key, const Person *person, int number);

#endif							/* BENCH_H */
