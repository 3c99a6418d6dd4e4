# SPDX-License-Identifier: GPL-2.0-only
"""Everything that is built, and the store that keeps it."""
