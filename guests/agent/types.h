/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names for what every file needs. */
#ifndef AGENT_TYPES_H
#define AGENT_TYPES_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define BIT_ULL(n) (1ULL << (n))
#define SZ_4K 4096UL
#define SZ_64K (64UL << 10)
#define SZ_1M (1024UL << 10)
#define SZ_16M (16UL * SZ_1M)

#endif
