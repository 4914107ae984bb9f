"""Benchmarks: each area side by side with bare aiohttp, and with peers where they are installed, in one run."""
