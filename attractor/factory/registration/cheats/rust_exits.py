"""Ends the process with 0 when it is loaded."""

from attractor.factory.registration.cheat import ending_cheat
from attractor.factory.registration.hollow import RUST

part = ending_cheat(RUST)
