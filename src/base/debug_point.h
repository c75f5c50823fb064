/*
 * debug_point.h - named places where a test can stop, fail or kill a backend.
 *
 * Compiled only by "make debug" (-DTOMS_DEBUG); elsewhere a point is nothing at all.
 * toms.debug_point = 'NAME:wait' waits until nobody holds the advisory lock
 * hashtext('NAME'), 'NAME:fail' raises an error, 'NAME:crash' kills the process
 * as the kernel does that is out of memory.  A point stands between two steps that no single transaction holds together;
 * test/t/fault_points.pl knows each by its name, what brings a server there and what must be so afterwards.
 */
#ifndef TOMS_DEBUG_POINT_H
#define TOMS_DEBUG_POINT_H

#ifdef TOMS_DEBUG
extern void toms_debug_point_init(void);
extern void toms_debug_point(const char *name);

#define TOMS_DEBUG_POINT_INIT() toms_debug_point_init()
#define TOMS_DEBUG_POINT(name) toms_debug_point(name)
#else
#define TOMS_DEBUG_POINT_INIT() ((void) 0)
#define TOMS_DEBUG_POINT(name) ((void) 0)
#endif

#endif							/* TOMS_DEBUG_POINT_H */
