"""Tests Helm charts on a real control plane, without Docker."""
