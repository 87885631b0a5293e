# SPDX-License-Identifier: Apache-2.0
"""AWS's signature, version 4: as clients make it, and as those who stand in for its services check it."""
import hashlib
import hmac


def _sign(secret, scope, date, canonical):
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def authorization(headers, body, key_id, secret, service):
    """The header Authorization of a POST of `body` to /. `headers`: those that are signed, by lower-case names, x-amz-date among them."""
    scope = f"{headers['x-amz-date'][:8]}/us-east-1/{service}/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    signature = _sign(secret, scope, headers["x-amz-date"], canonical)
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def signed(request, body, key_id, secret, service):
    """Whether a request carries AWS's signature, version 4, of this key."""
    header, date = request.headers.get("Authorization", ""), request.headers.get("X-Amz-Date", "")
    scope = f"{date[:8]}/us-east-1/{service}/aws4_request"
    if f"Credential={key_id}/{scope}," not in header:
        return False
    names = header.split("SignedHeaders=")[1].split(",")[0]
    canonical = f"{request.command}\n{request.path}\n\n"
    if any(name not in request.headers for name in names.split(";")):
        return False
    canonical += "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names.split(";"))
    canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    return _sign(secret, scope, date, canonical) == header.split("Signature=")[1]
