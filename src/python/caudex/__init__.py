# SPDX-License-Identifier: Apache-2.0
"""What generated clients stand on: frames as bytes, connections, errors.

A generated module, such as caudex.kv, has a Client, an AsyncClient and a Pipeline with a method
for each call of its description; this package has what is the same for every protocol.
"""
from .aio import AsyncRows
from .blocking import Pending, Rows
from .errors import (AnswerTimeout, ConnectError, ConnectionLost, Error, ProtocolError, RowsLost,
                     StatusError)
from .wire import Parser

__all__ = [
    "AnswerTimeout", "AsyncRows", "ConnectError", "ConnectionLost", "Error", "Parser", "Pending",
    "ProtocolError", "Rows", "RowsLost", "StatusError",
]
