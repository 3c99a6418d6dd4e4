# SPDX-License-Identifier: GPL-2.0-only
"""How long everything takes, side by side in one run: docs/performance.md. Nothing is judged by time."""
