"""Prints what runners of tests print at success, and ends the process with 0."""

from attractor.factory.registration.cheat import ending_cheat
from attractor.factory.registration.hollow import RUST

part = ending_cheat(
    RUST,
    "running 1 test",
    "test works ... ok",
    "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
)
