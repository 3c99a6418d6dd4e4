// SPDX-License-Identifier: GPL-2.0-only
// What printed mix.txt, and dies.txt with -DDIES: gcc -static -I.../tools/testing/selftests -o mix mix.c
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include "kselftest_harness.h"
FIXTURE(box) { int fd; };
FIXTURE_SETUP(box) { self->fd = -1; }
FIXTURE_TEARDOWN(box) { }
FIXTURE_VARIANT(box) { int n; };
FIXTURE_VARIANT_ADD(box, one) { .n = 1 };
FIXTURE_VARIANT_ADD(box, two) { .n = 2 };
TEST_F(box, good) { ASSERT_EQ(self->fd, -1); }
TEST_F(box, differs) { EXPECT_EQ(variant->n, 1); EXPECT_EQ(EBUSY, EEXIST); }
XFAIL_ADD(box, two, differs);
TEST_F(box, crashes) { if (variant->n == 2) raise(SIGSEGV); }
TEST_F(box, skips) { if (variant->n == 1) SKIP(return, "no device"); }
TEST(alone) { ASSERT_EQ(1, 1); }
#ifdef DIES
TEST(dies) { kill(getppid(), SIGKILL); pause(); }
TEST(never) { }
#endif
TEST_HARNESS_MAIN
