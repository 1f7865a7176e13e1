"""The cases, one module for each part of msdae."""

import importlib
from pathlib import Path

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
ALL = [case for name in MODULES for case in importlib.import_module(f"cases.{name}").CASES]
