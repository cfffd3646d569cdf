/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for unpacking a protobuf message from a stranger: two bytes of wire can ask for a struct
 * of a hundred, so what one message may take is capped. Over the cap unpacking gives NULL.
 */
#ifndef PROBITY_COLLECTOR_PBMEM_H
#define PROBITY_COLLECTOR_PBMEM_H

#include <protobuf-c/protobuf-c.h>

struct pbmem {
	ProtobufCAllocator allocator; /* hand &allocator to unpack and to free_unpacked */
	size_t left;
};
void pbmem_init(struct pbmem *m, size_t budget);

#endif
