/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Two tables (one-byte opcodes and those after 0f), one cell of flags per opcode, say whether a
 * ModRM byte and which immediate follow and which register is written. What a flag cannot say
 * (opcodes whose ModRM byte chooses the operation) is in refine_group(). The opcode maps of the
 * processor manuals are the source; VEX and EVEX instructions are known by length only and count as
 * writing every argument register.
 *
 * Wrong is worse than unknown: a cell that was not thought about is 0, and 0 means unknown.
 *
 * Emulation: arch/x86/kernel/uprobes.c, branch_setup_xol_ops() (call, jmp, jcc with a relative
 * target, nop; kernel commit 8e89c0be171b for call and jcc) and push_setup_xol_ops() (push of a
 * 64-bit register, commit e7ed9d9bd0375, 5.0). Kernels from 6.16 on emulate longer nops too; they
 * are not counted, nothing is lost by going on to the next instruction. endbr64 is single-stepped.
 */
#include "user/base/x86_insn.h"

#include <string.h>

enum cell {
	KNOWN = 1 << 0,
	MODRM = 1 << 1,
	IMM8 = 1 << 2,
	IMM16 = 1 << 3,
	IMMZ = 1 << 4,		/* 4 bytes; 2 with an operand-size prefix, unless REX.W */
	IMMV = 1 << 5,		/* the same, but 8 with REX.W */
	MOFFS = 1 << 6,		/* an address: 8 bytes, 4 with an address-size prefix */
	REL8 = 1 << 7,
	REL32 = 1 << 8,
	BYTE = 1 << 9,		/* the written register is of 8 bits: ah..bh without REX */
	W_RM = 1 << 10,		/* writes the operand ModRM.rm */
	W_REG = 1 << 11,	/* ... the register ModRM.reg */
	W_OP = 1 << 12,		/* ... the register in the opcode's low bits */
	W_DX = 1 << 13,
	W_ALL = 1 << 14,	/* taken to write every argument register */
	GROUP = 1 << 15,	/* see refine_group() */
};

#define E (KNOWN | MODRM)		/* a ModRM byte, writes no general register */
#define ER (E | W_REG)
#define EM (E | W_RM)
/* add, or, adc, sbb, and, sub, xor: six forms each */
#define ALU(op)							\
	[(op) + 0] = EM | BYTE, [(op) + 1] = EM,		\
	[(op) + 2] = ER | BYTE, [(op) + 3] = ER,		\
	[(op) + 4] = KNOWN | IMM8, [(op) + 5] = KNOWN | IMMZ

static const uint16_t one_byte[256] = {
	ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30),
	[0x38 ... 0x3b] = E,				/* cmp */
	[0x3c] = KNOWN | IMM8, [0x3d] = KNOWN | IMMZ,
	[0x50 ... 0x57] = KNOWN,			/* push */
	[0x58 ... 0x5f] = KNOWN | W_OP,			/* pop */
	[0x63] = ER,					/* movsxd */
	[0x68] = KNOWN | IMMZ, [0x6a] = KNOWN | IMM8,	/* push */
	[0x69] = ER | IMMZ, [0x6b] = ER | IMM8,		/* imul */
	[0x70 ... 0x7f] = KNOWN | REL8,			/* jcc */
	[0x80] = EM | IMM8 | BYTE | GROUP, [0x81] = EM | IMMZ | GROUP, [0x83] = EM | IMM8 | GROUP,
	[0x84 ... 0x85] = E,				/* test */
	[0x86] = EM | W_REG | BYTE, [0x87] = EM | W_REG,	/* xchg */
	[0x88] = EM | BYTE, [0x89] = EM, [0x8a] = ER | BYTE, [0x8b] = ER,	/* mov */
	[0x8c] = EM, [0x8d] = ER, [0x8e] = E,
	[0x8f] = EM | GROUP,				/* pop */
	[0x90 ... 0x97] = KNOWN | W_OP,			/* nop, xchg with rax */
	[0x98] = KNOWN, [0x99] = KNOWN | W_DX,		/* cltq, cqto */
	[0x9c ... 0x9f] = KNOWN,			/* pushf, popf, sahf, lahf */
	[0xa0 ... 0xa3] = KNOWN | MOFFS,
	[0xa4 ... 0xa7] = KNOWN | W_ALL,		/* movs, cmps */
	[0xa8] = KNOWN | IMM8, [0xa9] = KNOWN | IMMZ,	/* test */
	[0xaa ... 0xaf] = KNOWN | W_ALL,		/* stos, lods, scas */
	[0xb0 ... 0xb7] = KNOWN | IMM8 | BYTE | W_OP,
	[0xb8 ... 0xbf] = KNOWN | IMMV | W_OP,
	[0xc0] = EM | IMM8 | BYTE, [0xc1] = EM | IMM8,	/* shifts */
	[0xc2] = KNOWN | IMM16, [0xc3] = KNOWN,		/* ret */
	[0xc6] = EM | IMM8 | BYTE | GROUP, [0xc7] = EM | IMMZ | GROUP,
	[0xc9] = KNOWN, [0xcc] = KNOWN,			/* leave, int3 */
	[0xd0] = EM | BYTE, [0xd1] = EM, [0xd2] = EM | BYTE, [0xd3] = EM,	/* shifts */
	[0xd7] = KNOWN,					/* xlat */
	[0xd8 ... 0xdf] = E,				/* x87 */
	[0xe0 ... 0xe3] = KNOWN | REL8 | W_ALL,		/* loop, jrcxz */
	[0xe8 ... 0xe9] = KNOWN | REL32, [0xeb] = KNOWN | REL8,
	[0xf4] = KNOWN, [0xf5] = KNOWN,			/* hlt, cmc */
	[0xf6] = E | BYTE | GROUP, [0xf7] = E | GROUP,
	[0xf8 ... 0xfd] = KNOWN,			/* flags */
	[0xfe] = EM | BYTE | GROUP, [0xff] = EM | GROUP,
};

static const uint16_t after_0f[256] = {
	[0x01] = E | W_ALL,				/* xgetbv, rdtscp and others */
	[0x05] = KNOWN | W_ALL,				/* syscall */
	[0x0b] = KNOWN,					/* ud2 */
	[0x0d] = E,					/* prefetch */
	[0x10 ... 0x1d] = E,				/* SSE moves, hints */
	[0x1e] = E | GROUP,				/* endbr64, rdssp */
	[0x1f] = E,					/* nop */
	[0x28 ... 0x2b] = E, [0x2c ... 0x2d] = ER, [0x2e ... 0x2f] = E,
	[0x31] = KNOWN | W_ALL,				/* rdtsc */
	[0x40 ... 0x4f] = ER,				/* cmov */
	[0x50] = ER,					/* movmsk */
	[0x51 ... 0x6f] = E,
	[0x70 ... 0x73] = E | IMM8,
	[0x74 ... 0x76] = E, [0x77] = KNOWN,
	[0x7c ... 0x7d] = E, [0x7e] = EM, [0x7f] = E,
	[0x80 ... 0x8f] = KNOWN | REL32,		/* jcc */
	[0x90 ... 0x9f] = EM | BYTE,			/* setcc */
	[0xa0 ... 0xa1] = KNOWN, [0xa8 ... 0xa9] = KNOWN,
	[0xa2] = KNOWN | W_ALL,				/* cpuid */
	[0xa3] = E, [0xa4] = EM | IMM8, [0xa5] = EM,
	[0xab] = EM, [0xac] = EM | IMM8, [0xad] = EM,
	[0xae] = EM, [0xaf] = ER,			/* fences, imul */
	[0xb0] = EM | BYTE, [0xb1] = EM, [0xb3] = EM,	/* cmpxchg, btr */
	[0xb6 ... 0xb7] = ER,				/* movzx */
	[0xb8] = ER,					/* popcnt */
	[0xba] = EM | IMM8, [0xbb] = EM, [0xbc ... 0xbf] = ER,
	[0xc0] = EM | W_REG | BYTE, [0xc1] = EM | W_REG,	/* xadd */
	[0xc2] = E | IMM8, [0xc3] = E, [0xc4] = E | IMM8, [0xc5] = ER | IMM8, [0xc6] = E | IMM8,
	[0xc7] = E | W_ALL,				/* cmpxchg16b, rdrand */
	[0xc8 ... 0xcf] = KNOWN | W_OP,			/* bswap */
	[0xd0 ... 0xd6] = E, [0xd7] = ER, [0xd8 ... 0xfe] = E,
};
#undef E
#undef ER
#undef EM
#undef ALU

enum prefix {
	PREFIX_66 = 1 << 0,
	PREFIX_67 = 1 << 1,
	PREFIX_F2 = 1 << 2,
	PREFIX_F3 = 1 << 3,
	PREFIX_REFUSED = 1 << 4,	/* lock, es, cs, ss, ds: no uprobe goes there */
	PREFIX_FS_GS = 1 << 5,
};

enum rex { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct cursor {
	const uint8_t *code;
	size_t n, at;
	unsigned int prefixes;
	unsigned int rex;	/* 0: none */
	unsigned int map;	/* 1: one byte, 2: after 0f, 3: elsewhere */
	uint8_t opcode;
	uint8_t modrm;		/* when the cell says so */
	uint16_t cell;
	int32_t rip_disp;	/* has_rip: the operand lies there from the instruction's end */
	bool has_rip;
};

static bool skip(struct cursor *c, size_t n)
{
	c->at += n;
	return c->at <= c->n && c->at <= X86_MAX_INSN_SZ;
}

static bool next_byte(struct cursor *c, uint8_t *out)
{
	if (c->at >= c->n || c->at >= X86_MAX_INSN_SZ)
		return false;
	*out = c->code[c->at++];
	return true;
}

static unsigned int prefix_of(uint8_t byte)
{
	switch (byte) {
	case 0x66:
		return PREFIX_66;
	case 0x67:
		return PREFIX_67;
	case 0xf2:
		return PREFIX_F2;
	case 0xf3:
		return PREFIX_F3;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0xf0:
		return PREFIX_REFUSED;
	case 0x64:
	case 0x65:
		return PREFIX_FS_GS;
	default:
		return 0;
	}
}

/* VEX and EVEX: `head_sz` bytes follow the one that says so; the map is in the first. */
static bool read_vex(struct cursor *c, uint8_t kind)
{
	uint8_t head = 0;
	unsigned int map;

	if (c->rex || (c->prefixes & (PREFIX_66 | PREFIX_F2 | PREFIX_F3)) || !next_byte(c, &head))
		return false;
	map = kind == 0xc5 ? 1 : kind == 0xc4 ? head & 0x1f : head & 0x07;
	if (!skip(c, kind == 0xc5 ? 0 : kind == 0xc4 ? 1 : 2) || !next_byte(c, &c->opcode))
		return false;
	if (map < 1 || (map > 3 && !(kind == 0x62 && (map == 5 || map == 6))))
		return false;
	if (kind == 0x62 && (head & 0x08))
		return false;
	c->map = 3;
	c->cell = KNOWN | W_ALL | MODRM;
	if (map == 1 && c->opcode == 0x77)
		c->cell &= ~MODRM;	/* vzeroupper */
	if (map == 3 || (map == 1 && (after_0f[c->opcode] & IMM8) && c->opcode < 0xd0 &&
			 (c->opcode >= 0xc0 || (c->opcode & 0xfc) == 0x70)))
		c->cell |= IMM8;
	return true;
}

static bool read_0f(struct cursor *c)
{
	if (!next_byte(c, &c->opcode))
		return false;
	c->map = 2;
	c->cell = after_0f[c->opcode];
	if (c->opcode == 0xb8 && !(c->prefixes & PREFIX_F3))
		c->cell = 0;
	if (c->opcode != 0x38 && c->opcode != 0x3a)
		return true;
	c->cell = KNOWN | MODRM | W_RM | W_REG | (c->opcode == 0x3a ? IMM8 : 0);
	if (!next_byte(c, &c->opcode))
		return false;
	c->map = 3;
	if (c->opcode >= 0x60 && c->opcode < 0x64)
		c->cell |= W_ALL;	/* pcmpestri and kin write rcx */
	return true;
}

static bool read_opcode(struct cursor *c)
{
	unsigned int prefix;
	uint8_t byte = 0;

	do {
		if (!next_byte(c, &byte))
			return false;
		prefix = prefix_of(byte);
		c->prefixes |= prefix;
	} while (prefix);
	if ((byte & 0xf0) == 0x40) {
		c->rex = byte;
		if (!next_byte(c, &byte))
			return false;
	}
	if (byte == 0x0f)
		return read_0f(c);
	if (byte == 0xc4 || byte == 0xc5 || byte == 0x62)
		return read_vex(c, byte);
	c->map = 1;
	c->opcode = byte;
	c->cell = one_byte[byte];
	return true;
}

/* Opcodes whose operation is in ModRM.reg. */
static void refine_group(struct cursor *c)
{
	unsigned int operation = (c->modrm >> 3) & 7;

	if (c->map == 2) {
		if (operation == 1)	/* rdssp */
			c->cell |= W_RM;
		return;
	}
	switch (c->opcode) {
	case 0x80:
	case 0x81:
	case 0x83:
		if (operation == 7)	/* cmp */
			c->cell &= ~W_RM;
		break;
	case 0x8f:
	case 0xc6:
	case 0xc7:
		if (operation != 0)	/* XOP, xabort, xbegin */
			c->cell = 0;
		break;
	case 0xf6:
	case 0xf7:
		if (operation < 2)	/* test */
			c->cell |= c->opcode == 0xf6 ? IMM8 : IMMZ;
		else if (operation < 4)	/* not, neg */
			c->cell |= W_RM;
		else			/* mul, div */
			c->cell |= W_DX;
		break;
	case 0xfe:
		if (operation > 1)
			c->cell = 0;
		break;
	case 0xff:
		if (operation == 3 || operation == 5 || operation == 7)
			c->cell = 0;	/* far, undefined */
		else if (operation > 1)
			c->cell &= ~W_RM;
		break;
	}
}

/* Reads ModRM and skips what it calls for: SIB, displacement. */
static bool read_modrm(struct cursor *c)
{
	unsigned int mod, rm;
	uint8_t sib = 0;

	if (!(c->cell & MODRM))
		return true;
	if (!next_byte(c, &c->modrm))
		return false;
	mod = c->modrm >> 6;
	rm = c->modrm & 7;
	if (mod == 3)
		return true;
	if (rm == 4 && !next_byte(c, &sib))
		return false;
	if (mod == 1)
		return skip(c, 1);
	if (mod == 0 && rm != 5 && !(rm == 4 && (sib & 7) == 5))
		return true;
	if (!skip(c, 4))
		return false;
	c->has_rip = mod == 0 && rm == 5;
	memcpy(&c->rip_disp, c->code + c->at - 4, 4);
	return true;
}

/* Skips the immediates; a relative target is read, from the instruction's end. */
static bool read_immediates(struct cursor *c, int64_t *relative)
{
	bool wide = c->rex & REX_W;
	size_t z_sz = !wide && (c->prefixes & PREFIX_66) ? 2 : 4;
	int32_t rel32 = 0;
	uint8_t rel8 = 0;

	if (c->cell & REL8) {
		if (!next_byte(c, &rel8))
			return false;
		*relative = (int8_t)rel8;
		return true;
	}
	if (c->cell & REL32) {
		/* Processors differ on what 66 makes of these. */
		if (((c->prefixes & PREFIX_66) && !wide) || !skip(c, 4))
			return false;
		memcpy(&rel32, c->code + c->at - 4, 4);
		*relative = rel32;
		return true;
	}
	return skip(c, (c->cell & IMM8 ? 1 : 0) + (c->cell & IMM16 ? 2 : 0) +
			(c->cell & IMMZ ? z_sz : 0) + (c->cell & IMMV ? (wide ? 8 : z_sz) : 0) +
			(c->cell & MOFFS ? (c->prefixes & PREFIX_67 ? 4 : 8) : 0));
}

/* The argument's bit for a general register by number, or 0. */
static uint8_t argument_bit(unsigned int reg)
{
	static const uint8_t bits[16] = {
		[7] = 1 << 0, [6] = 1 << 1, [2] = 1 << 2, [1] = 1 << 3, [8] = 1 << 4, [9] = 1 << 5,
	};

	return bits[reg & 15];
}

static uint8_t register_bit(const struct cursor *c, unsigned int low, bool extended)
{
	if ((c->cell & BYTE) && !c->rex && low >= 4)
		low -= 4;	/* ah, ch, dh, bh */
	return argument_bit(low | (extended ? 8 : 0));
}

static uint8_t writes_of(const struct cursor *c)
{
	uint8_t writes = 0;

	if (c->cell & W_ALL)
		return X86_WRITES_ALL;
	if ((c->cell & W_RM) && (c->modrm >> 6) == 3)
		writes |= register_bit(c, c->modrm & 7, c->rex & REX_B);
	if (c->cell & W_REG)
		writes |= register_bit(c, (c->modrm >> 3) & 7, c->rex & REX_R);
	if ((c->cell & W_OP) && !(c->opcode == 0x90 && c->map == 1 && !(c->rex & REX_B)))
		writes |= register_bit(c, c->opcode & 7, c->rex & REX_B);
	if (c->cell & W_DX)
		writes |= argument_bit(2);
	return writes;
}

static enum x86_flow flow_of(const struct cursor *c)
{
	unsigned int operation = (c->modrm >> 3) & 7;

	if (c->map == 2)
		return c->cell & REL32 ? X86_FLOW_BRANCH : c->opcode == 0x0b ? X86_FLOW_END :
									       X86_FLOW_NEXT;
	if (c->map != 1)
		return X86_FLOW_NEXT;
	if (c->opcode == 0xe8)
		return X86_FLOW_CALL;
	if (c->opcode == 0xe9 || c->opcode == 0xeb)
		return X86_FLOW_JUMP;
	if (c->cell & REL8)
		return X86_FLOW_BRANCH;
	if (c->opcode == 0xff && operation >= 2 && operation <= 5)
		return X86_FLOW_INDIRECT;
	if (c->opcode == 0xc2 || c->opcode == 0xc3 || c->opcode == 0xcc || c->opcode == 0xf4)
		return X86_FLOW_END;
	return X86_FLOW_NEXT;
}

static bool is_emulated(const struct cursor *c, enum x86_flow flow)
{
	bool is_loop = c->map == 1 && c->opcode >= 0xe0 && c->opcode <= 0xe3;

	if (c->prefixes & ~PREFIX_F2)	/* f2: bnd, which older compilers put before branches */
		return false;
	if (c->map == 1 && (c->opcode & 0xf8) == 0x50)
		return !c->prefixes && (!c->rex || c->rex == (0x40 | REX_B));
	if (c->rex)
		return false;
	if (c->map == 1 && c->opcode == 0x90)
		return !c->prefixes;
	return flow == X86_FLOW_CALL || flow == X86_FLOW_JUMP ||
	       (flow == X86_FLOW_BRANCH && !is_loop);
}

bool x86_insn__decode(const uint8_t *code, size_t n, struct x86_insn *out)
{
	struct cursor c = { .code = code, .n = n };
	int64_t relative = 0;

	if (!read_opcode(&c) || !c.cell || !read_modrm(&c))
		return false;
	if (c.cell & GROUP)
		refine_group(&c);
	if (!c.cell || !read_immediates(&c, &relative))
		return false;
	out->length = (uint8_t)c.at;
	out->flow = flow_of(&c);
	out->writes = out->flow == X86_FLOW_CALL || out->flow == X86_FLOW_INDIRECT ?
			      X86_WRITES_ALL : writes_of(&c);
	out->emulated = is_emulated(&c, out->flow);
	out->target = (int64_t)c.at + (c.has_rip ? c.rip_disp : relative);
	if (out->flow == X86_FLOW_INDIRECT && !c.has_rip)
		out->target = 0;
	return true;
}
