# Python 3 with PyJWT and cryptography (Debian: python3-jwt, python3-cryptography): python3 mint.py app.jwk
import json, sys, time, uuid
import jwt

jwk = json.load(open(sys.argv[1]))
now = int(time.time())
claims = {"tenant": "acme", "sub": "17", "role": "hr", "purpose": "absence_management",
          "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
key = jwt.algorithms.OKPAlgorithm.from_jwk(jwk)
print(jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": jwk["kid"]}))
