/* The roles of features, and what the kernels record of a step. */
#ifndef DMFT_RECORDS_H
#define DMFT_RECORDS_H

enum { QUERY, KEY, VALUE, OUTPUT, N_ROLES };

/* In the order of the table in dmft/attention/records.py: numbers of features, then weights of keys. */
enum {
    RECORD_ATTENTION,
    RECORD_OUTPUT,
    RECORD_SEMANTIC,
    RECORD_VALUE,
    RECORD_QUERY,
    RECORD_KEY,
    N_FEATURE_RECORDS,
    RECORD_WEIGHTS = N_FEATURE_RECORDS,
    N_RECORDS
};

#endif
