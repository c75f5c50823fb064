/*
 * work.h - the context of what toms itself does to the rows of one tenant; part of context.h.
 */
#ifndef TOMS_WORK_H
#define TOMS_WORK_H

#include "postgres.h"

struct TomsContext;

/*
 * Work of toms itself on the rows of one tenant: retention.  From begin to end, which may not nest, the context
 * in force is one that nobody has signed: of that tenant, for that purpose, with the role of the current user.
 * "Own" are the statements that the caller starts by itself, at the level of execution at which it began: the
 * policies show them all rows of the tenant in the table "root".  What runs inside of them (triggers, operators,
 * defaults of the table's owner), and what they read of other tables, needs a permission for the purpose, as
 * anybody does.  It ends with the (sub)transaction at the latest.
 */
extern void toms_context_begin_work(const char *tenant, const char *purpose, Oid root);
extern void toms_context_end_work(void);
extern bool toms_context_is_working(void);
extern bool toms_context_is_own_work(void);
extern bool toms_context_is_own_work_on(Oid root);

/* Set by slice guard: the level of execution, by which statements are told from what they call. */
extern int	(*toms_context_level) (void);

/* Between the files of slice context: the context meanwhile; NULL: toms does not work on rows. */
extern void toms_work_init(void);
extern const struct TomsContext *toms_context_of_work(void);

#endif							/* TOMS_WORK_H */
