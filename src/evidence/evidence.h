/*
 * evidence.h - whether measures hold: the check, its history, the report.
 */
#ifndef TOMS_EVIDENCE_H
#define TOMS_EVIDENCE_H

#include "postgres.h"

extern void toms_evidence_init(void);

#endif							/* TOMS_EVIDENCE_H */
