"""The arithmetic: arrays in, decisions out; knows no domain word."""
