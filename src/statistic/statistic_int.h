/*
 * statistic_int.h - between the files of slice statistic.
 */
#ifndef TOMS_STATISTIC_INT_H
#define TOMS_STATISTIC_INT_H

#include "postgres.h"

/* A data subject within one period, and the group in which he is published. */
typedef struct TomsPerson
{
	char	  **path;			/* his value in each dimension, outermost first; NULL: none */
	double		contribution;	/* to the measure */
	int			index;			/* where he stood before people were sorted */
	int			group;			/* -1: in none, there is nothing to publish */
} TomsPerson;

typedef struct TomsGroup
{
	char	  **path;			/* of one of its people */
	int			length;			/* how many values of it count; of merged groups the last is "other" */
	bool		merged;
} TomsGroup;

typedef struct TomsPopulation
{
	int			depth;			/* dimensions */
	int			min_group;
	bool		sums;			/* contributions are numbers; else flags, 0 or 1 */
	int			count;
	TomsPerson *people;			/* sorted by toms_merge_groups() */
	int			ngroups;
	TomsGroup  *groups;
} TomsPopulation;

/* merge.c */
extern void toms_merge_groups(TomsPopulation *population);

/* publish.c: run a statement in a transaction of its own; an error if that did not commit. */
extern void toms_publish(const char *statement);

#endif							/* TOMS_STATISTIC_INT_H */
