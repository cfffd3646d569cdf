/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is a form: its fields and files into the interaction. */
#ifndef PROBITY_FLOW_FORMDATA_H
#define PROBITY_FLOW_FORMDATA_H

#include "body.h"

struct formdata;
/* NULL: the content is no form, or out of memory. out must outlive it. */
struct formdata *formdata_new(const struct body_out *out, struct slice content_type);
void formdata_free(struct formdata *f);
void formdata_data(struct formdata *f, const uint8_t *p, size_t n);
void formdata_gap(struct formdata *f);
/* Gives whether its end was seen. */
bool formdata_end(struct formdata *f);

#endif
