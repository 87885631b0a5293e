# SPDX-License-Identifier: Apache-2.0
"""AWS's signature, version 4, as those who stand in for its services check it."""
import hashlib
import hmac


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
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == header.split("Signature=")[1]
