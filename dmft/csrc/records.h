/* The roles of features, and what the kernels record of a step. */
#ifndef DMFT_RECORDS_H
#define DMFT_RECORDS_H

enum { QUERY, KEY, VALUE, OUTPUT, N_ROLES };

/* In the order of the table in dmft/attention/records.py. */
enum { RECORD_ATTENTION, RECORD_OUTPUT, RECORD_SEMANTIC, RECORD_VALUE, RECORD_QUERY, RECORD_KEY, N_RECORDS };

#endif
