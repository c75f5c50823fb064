/*
 * hooks.h - for toms.c only.
 */
#ifndef TOMS_HOOKS_H
#define TOMS_HOOKS_H

extern void toms_hooks_install(void);

#endif							/* TOMS_HOOKS_H */
