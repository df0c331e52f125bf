"""Signatures against the providers' own published examples."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from schema.dialects.signing.jwt import (
    SigningKeyError,
    google_assertion,
    read_service_account,
    sign_hs256,
    zhipu_token,
)
from schema.dialects.signing.sigv4 import sign_sigv4
from schema.dialects.signing.tc3 import sign_tc3
from schema.dialects.signing.xunfei import sign_url

AWS_AT = 1_440_938_160  # 20150830T123600Z
AWS_KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        pytest.param("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", id="get-vanilla"),
        pytest.param("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", id="post-vanilla"),
    ],
)
def test_aws_signature_version_4_test_suite(method, signature):
    """Source: AWS Signature Version 4 test suite (docs.aws.amazon.com/general, signature-v4-test-suite)."""
    headers = sign_sigv4(
        method,
        "https://example.amazonaws.com/",
        (),
        b"",
        region="us-east-1",
        service="service",
        now_s=AWS_AT,
        **AWS_KEYS,
    )
    assert dict(headers)["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def test_aws_temporary_keys_send_their_token():
    headers = sign_sigv4(
        "GET",
        "https://x.amazonaws.com/",
        (),
        b"",
        region="r",
        service="s",
        now_s=AWS_AT,
        session_token="tok",
        **AWS_KEYS,
    )
    assert dict(headers)["X-Amz-Security-Token"] == "tok"
    assert "x-amz-security-token" in dict(headers)["Authorization"]


def test_aws_body_and_path_are_part_of_the_signature():
    def sign(url, body):
        return sign_sigv4("POST", url, (), body, region="r", service="bedrock", now_s=AWS_AT, **AWS_KEYS)

    plain = sign("https://x.amazonaws.com/model/a%3A0/invoke", b"{}")
    assert plain != sign("https://x.amazonaws.com/model/a%3A0/invoke", b"{ }")
    assert plain != sign("https://x.amazonaws.com/model/a%3A1/invoke", b"{}")


def test_tencent_tc3_example():
    """Source: cloud.tencent.com/document/api/213/30654, the example with its masked keys as they stand there."""
    body = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    assert sign_tc3(
        body,
        secret_id="AKID" + "*" * 32,
        secret_key="*" * 32,
        service="cvm",
        host="cvm.tencentcloudapi.com",
        action="DescribeInstances",
        now_s=1_551_113_065,
        content_type="application/json; charset=utf-8",
    ) == (
        f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )


def test_xunfei_url_example():
    """Source: xfyun.cn/doc/spark, general URL authentication: date, secret and digest of the documented example."""
    url = sign_url(
        "wss://spark-api.xf-yun.com/v1.1/chat",
        api_key="addd2272b6d8b7c8abdd79531420ca3b",
        api_secret="MjlmNzkzNmZkMDQ2OTc0ZDdmNGE2ZTZi",
        now_s=1_683_283_419,
    )
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["date"] == "Fri, 05 May 2023 10:43:39 GMT"
    assert query["host"] == "spark-api.xf-yun.com"
    origin = base64.b64decode(query["authorization"]).decode()
    assert origin.startswith('api_key="addd2272b6d8b7c8abdd79531420ca3b", algorithm="hmac-sha256", headers="host date')
    digest = base64.b64decode(origin.rpartition('signature="')[2].rstrip('"'))
    assert digest.startswith(b"\xcf\x98\x07v\xed\xe9\xc5Ux\x0032\x93\x8e\xbb")
    assert " " not in url


def test_hs256_of_rfc_7515():
    """Source: RFC 7515, appendix A.1."""
    head = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    claims = b"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    secret = base64.urlsafe_b64decode(key + "==")
    assert sign_hs256(head + b"." + claims, secret).endswith(".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")


def _claims(token):
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")[:2]]


def test_zhipu_token_says_who_and_until_when():
    head, claims = _claims(zhipu_token("id.secret", 1000))
    assert head == b'{"alg":"HS256","sign_type":"SIGN"}'
    assert claims == b'{"api_key":"id","exp":87400000,"timestamp":1000000}'


@pytest.mark.parametrize("key", ["nodot", "a.b.c", ".x", "x."])
def test_zhipu_keys_of_another_form_are_refused(key):
    with pytest.raises(SigningKeyError) as error:
        zhipu_token(key, 0)
    assert key not in str(error.value).split()


def _account(private_key):
    pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    from msgspec.json import encode

    return encode({"client_email": "a@b.c", "private_key": pem, "project_id": "p", "private_key_id": "k"}).decode()


def test_google_assertion_is_signed_with_the_accounts_key():
    """Source: RFC 7523; Google Identity, OAuth 2.0 for server to server applications."""
    key = rsa.generate_private_key(65537, 2048)
    token = google_assertion(read_service_account(_account(key)), 1000)
    head, claims = _claims(token)
    assert head == b'{"alg":"RS256","typ":"JWT","kid":"k"}'
    assert b'"iss":"a@b.c"' in claims and b'"iat":1000,"exp":3100' in claims and b"cloud-platform" in claims
    signed, _, mark = token.rpartition(".")
    raw = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
    key.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("text", ["", "{}", '{"client_email":"x"}', "not json"])
def test_what_is_no_service_account_is_refused(text):
    with pytest.raises(SigningKeyError):
        read_service_account(text)


def test_a_broken_private_key_is_not_shown():
    account = read_service_account('{"client_email":"x","private_key":"-----BEGIN SECRETSTUFF-----"}')
    with pytest.raises(SigningKeyError) as error:
        google_assertion(account, 0)
    assert "SECRETSTUFF" not in str(error.value)


def test_aws_encodes_an_encoded_path_once_more():
    """`%3A` is `%253A` in the canonical request. Source: AWS, "Create a signed AWS API request", canonical URI."""
    import hashlib
    import hmac

    url, body = "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2%3A1/invoke", b"{}"
    headers = sign_sigv4("POST", url, (), body, region="us-east-1", service="bedrock", now_s=AWS_AT, **AWS_KEYS)
    canonical = (
        "POST\n/model/anthropic.claude-v2%253A1/invoke\n\n"
        "host:bedrock-runtime.us-east-1.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n"
        + hashlib.sha256(body).hexdigest()
    )
    scope = "20150830/us-east-1/bedrock/aws4_request"
    text = f"AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + AWS_KEYS["secret_key"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    assert dict(headers)["Authorization"].endswith(hmac.digest(key, text.encode(), "sha256").hex())
