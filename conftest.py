# SPDX-License-Identifier: GPL-2.0-only
"""`pytest scenarios/` collects the YAML files."""

pytest_plugins = ["harness.plugin"]
