"""Containers of Docker on this machine."""

from attractor.environments.places.containers import container_kind

part = container_kind("docker")
