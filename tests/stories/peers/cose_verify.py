"""Verifies a COSE_Sign1 with pycose: arguments are the signed bytes and the Ed25519 key, both base64.

Prints the payload's fields, which cbor2 decodes, as JSON; ends with 1 when the signature does not fit.
"""

import base64
import json
import sys

import cbor2
from pycose.keys import OKPKey
from pycose.messages import CoseMessage

signed, key = (base64.b64decode(word) for word in sys.argv[1:3])
message = CoseMessage.decode(signed)
message.key = OKPKey(crv="ED25519", x=key)
if not message.verify_signature():
    sys.exit("the signature does not fit")
fields = cbor2.loads(message.payload)
print(json.dumps({str(name): value for name, value in fields.items() if not isinstance(value, bytes)}))
