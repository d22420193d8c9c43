"""Errors that the user can mend: the command line turns them into one line."""

from __future__ import annotations


class UserError(ValueError):
    """An error that the user can mend; the message says how."""


class ConfigError(UserError):
    """A run file that cannot be used; the message names the key, the rule and the value."""


class PictureError(UserError):
    """A picture that cannot be drawn of a sweep; the message says what can."""


class IncompleteError(UserError, KeyError):
    """An array of a sweep that has not finished."""

    __str__ = ValueError.__str__  # that of KeyError is a repr


class PythonOnly(UserError):
    """A job cannot be made from its specification, which is whole all the same: it holds functions of Python."""
