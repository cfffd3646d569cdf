// SPDX-License-Identifier: Apache-2.0
/*
 * OpenSSL and its kin by symbol. Flows in: a file some process maps executable. Flows out: the
 * file offset of each TLS function's entry and of each RET in it, decoded with Zydis (a return
 * probe by trampoline would kill seccomp-confined targets on new kernels).
 *
 * Invariant: reading a function is worth it only if its returns are known too, because bytes are
 * counted at return; so a function with an undecodable body or without a RET is left out and
 * counted. Limits: symbols only, x86-64 only; a tail jump out of the function is fine, because the
 * function it lands in is probed itself. The file may be hostile: libelf bounds every section, and
 * the offsets made here are checked against the file.
 */
#include "elf_tls.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "proto/event.h"

static const struct function {
	const char *name;
	uint64_t site;
	bool returns;
} functions[] = {
	{"SSL_write", TLS_WRITE, true},
	{"SSL_write_ex", TLS_WRITE_EX, true},
	{"SSL_write_ex2", TLS_WRITE_EX2, true},
	{"SSL_read", TLS_READ, true},
	{"SSL_read_ex", TLS_READ_EX, true},
	{"SSL_do_handshake", TLS_HANDSHAKE, false},
	{"SSL_connect", TLS_HANDSHAKE, false},
	{"SSL_accept", TLS_ACCEPT, false},
	{"SSL_set_connect_state", TLS_CLIENT, false},
	{"SSL_set_accept_state", TLS_SERVER, false},
	{"SSL_free", TLS_FREE, false},
	{"SSL_clear", TLS_CLEAR, false},
	{"SSL_ctrl", TLS_CTRL, false},
};

#define FUNCTION_MAX (64 << 10) /* bytes of one function looked at */

struct file {
	Elf *elf;
	const uint8_t *image;
	size_t size;
};

static void file_done(struct file *f)
{
	if (f->elf)
		elf_end(f->elf);
	if (f->image)
		munmap((void *)f->image, f->size);
}

const char *elf_tls_function(size_t i)
{
	return i < ARRAY_SIZE(functions) ? functions[i].name : NULL;
}

/* Virtual address → file offset, of executable segments only. */
static bool file_offset(const struct file *f, uint64_t va, uint64_t *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(f->elf, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(f->elf, i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		if (va < p.p_vaddr || va - p.p_vaddr >= p.p_filesz)
			continue;
		*ret = va - p.p_vaddr + p.p_offset;
		return *ret < f->size;
	}
	return false;
}

static bool add(struct tls_sites *s, uint64_t offset, uint64_t cookie)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->offset[i] == offset)
			return true; /* an alias of a function already there */
	if (s->n == TLS_SITES_MAX)
		return false;
	s->offset[s->n] = offset;
	s->cookie[s->n++] = cookie;
	return true;
}

static bool add_returns(const struct file *f, struct tls_sites *s, uint64_t offset, uint64_t size)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction in;
	uint64_t end = offset + size;
	bool any = false;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	while (offset < end) {
		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, f->image + offset,
							      end - offset, &in)))
			return false;
		if (in.mnemonic == ZYDIS_MNEMONIC_RET) {
			if (!add(s, offset, TLS_RETURN))
				return false;
			any = true;
		} else if (in.meta.category == ZYDIS_CATEGORY_UNCOND_BR) {
			any = true; /* a tail jump: what it lands in is probed itself */
		}
		offset += in.length;
	}
	return any;
}

static void take(const struct file *f, struct tls_sites *s, size_t row, const GElf_Sym *sym)
{
	size_t before = s->n;
	uint64_t offset, size = sym->st_size;

	if (!file_offset(f, sym->st_value, &offset))
		return;
	if (size > FUNCTION_MAX || size > f->size - offset)
		size = 0;
	if ((functions[row].returns && (!size || !add_returns(f, s, offset, size))) ||
	    !add(s, offset, functions[row].site)) {
		s->n = before;
		s->refused++;
		return;
	}
	s->functions |= 1u << row;
}

static void look(const struct file *f, Elf_Scn *scn, const GElf_Shdr *sh, struct tls_sites *s)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;

	for (size_t i = 0; data && i < n; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(f->elf, sh->sh_link, sym.st_name);
		if (!name || name[0] != 'S' || name[1] != 'S' || name[2] != 'L')
			continue;
		for (size_t row = 0; row < ARRAY_SIZE(functions); row++)
			if (!(s->functions & 1u << row) && !strcmp(name, functions[row].name))
				take(f, s, row, &sym);
	}
}

static void look_all(const struct file *f, uint32_t type, struct tls_sites *s)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(f->elf, scn));) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == type)
			look(f, scn, &sh, s);
	}
}

/* Shared: into a private mapping the kernel would put the breakpoints that others have set in the
 * file, where a RET was. */
static int map(int fd, struct file *f)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < EI_NIDENT)
		return -ENOEXEC;
	p = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	f->image = p;
	f->size = st.st_size;
	return 0;
}

int elf_tls_find(int fd, struct tls_sites *ret)
{
	_cleanup_(file_done) struct file f = {};
	struct tls_sites s = {};
	GElf_Ehdr eh;
	int r;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOSYS;
	r = map(fd, &f);
	if (r)
		return r;
	f.elf = elf_memory((char *)f.image, f.size);
	if (!f.elf || elf_kind(f.elf) != ELF_K_ELF || !gelf_getehdr(f.elf, &eh) ||
	    eh.e_machine != EM_X86_64)
		return -ENOEXEC;
	look_all(&f, SHT_DYNSYM, &s);
	if (!s.functions)
		look_all(&f, SHT_SYMTAB, &s);
	/* Without a write or read among them the rest means nothing. */
	if (!(s.functions & 0x1f))
		return 0;
	strcpy(s.stack, "openssl");
	*ret = s;
	return 1;
}
