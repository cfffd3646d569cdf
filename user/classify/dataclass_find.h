/* SPDX-License-Identifier: Apache-2.0 */
/* Values without a fixed length: found around the end of a short anchor. See dataclass_find.c. */
#ifndef PROBITY_CLASSIFY_DATACLASS_FIND_H
#define PROBITY_CLASSIFY_DATACLASS_FIND_H

#include "dataclass_rules.h"

bool find_email(const struct window *w, size_t to, struct span *ret);
bool find_iban(const struct window *w, size_t to, struct span *ret);
bool find_e164(const struct window *w, size_t to, struct span *ret);
bool find_called(const struct window *w, size_t to, struct span *ret);
bool find_jwt(const struct window *w, size_t to, struct span *ret);
bool find_private_key(const struct window *w, size_t to, struct span *ret);
bool find_aws_secret(const struct window *w, size_t to, struct span *ret);
checkdigit_fn phone_nanp, phone_fr;

/* The letter of a JSON escape such as \n stands before text, not in it. */
bool window_escape_before(const struct window *w, size_t i);
/* alnum or '_' at i, and no escape's letter. */
bool window_word_at(const struct window *w, size_t i);

#endif
