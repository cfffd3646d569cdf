/* SPDX-License-Identifier: Apache-2.0 */
/* Facts from protobuf messages of the few services whose schema is public. */
#ifndef PROBITY_FLOW_PROTOPEEK_H
#define PROBITY_FLOW_PROTOPEEK_H

#include "interaction.h"

struct protopeek;
/* By it->path. NULL: schema not known, or out of memory. */
struct protopeek *protopeek_new(struct interaction *it, bool request);
void protopeek_free(struct protopeek *p); /* NULL is fine */

/* One message, in pieces; more may follow. */
void protopeek_begin(struct protopeek *p);
void protopeek_data(struct protopeek *p, const uint8_t *bytes, size_t n, uint64_t ns);
/* cut: bytes in it or at its end are missing; what came before them counts. */
void protopeek_end(struct protopeek *p, bool cut);

#endif
