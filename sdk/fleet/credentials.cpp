// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/credentials.hpp"

#include <chrono>
#include <utility>

#include <openssl/err.h>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/x509.hpp"

namespace berth::fleet {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

// Valid from yesterday (clocks differ) for a hundred years: agents pin the CA, so expiry would only cut fleets off.
sdk::Result<void> make(const std::filesystem::path& directory) {
  const std::int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                               std::chrono::system_clock::now().time_since_epoch())
                               .count();
  const x509::Key ca_key = x509::new_key();
  const x509::Key key = x509::new_key();
  if (!ca_key || !key) return x509::openssl_failed("make a key");
  x509::Wish wish{.name = "Berth fleet CA",
                  .authority = true,
                  .not_before_ms = now - kDayMs,
                  .not_after_ms = now + 36'500 * kDayMs,
                  .key = ca_key.get(),
                  .issuer_key = ca_key.get()};
  const auto ca = x509::make_certificate(wish);
  if (!ca) return x509::openssl_failed("make a CA certificate");
  wish.name = "Berth fleet";
  wish.authority = false;
  wish.usage = "serverAuth";
  wish.key = key.get();
  wish.issuer = ca.get();
  const auto server = x509::make_certificate(wish);
  if (!server) return x509::openssl_failed("make a certificate");
  // ca.pem last: its presence says that the set is whole.
  const std::pair<const char*, std::string> files[] = {{"ca.key", x509::pem_of(ca_key.get())},
                                                       {"server.key", x509::pem_of(key.get())},
                                                       {"server.pem", x509::pem_of(server.get())},
                                                       {"ca.pem", x509::pem_of(ca.get())}};
  for (const auto& [name, text] : files) {
    if (text.empty()) return x509::openssl_failed("write PEM");
    if (auto written = write_durably(directory / name, text, 0600); !written) return written;
  }
  return {};
}

}  // namespace

sdk::Result<Credentials> load_or_make_credentials(const std::filesystem::path& directory) {
  if (auto made = make_private_directory(directory); !made) return made.error();
  if (!std::filesystem::exists(directory / "ca.pem")) {
    if (auto made = make(directory); !made) return made.error();
  }
  Credentials read;
  std::string server_pem;
  const std::pair<const char*, std::string*> files[] = {
      {"ca.pem", &read.ca_pem}, {"ca.key", &read.ca_key_pem}, {"server.pem", &server_pem}, {"server.key", &read.key_pem}};
  for (const auto& [name, text] : files) {
    auto content = read_small_file(directory / name);
    if (!content) return content.error();
    *text = std::move(*content);
  }
  const auto ca = x509::certificate_of_pem(read.ca_pem);
  if (!ca) return sdk::fail(BERTH_INVALID, (directory / "ca.pem").string() + " is not a PEM certificate");
  const auto server = x509::certificate_of_pem(server_pem);
  if (!server) return sdk::fail(BERTH_INVALID, (directory / "server.pem").string() + " is not a PEM certificate");
  const auto key = x509::key_of_pem(read.key_pem);
  const auto ca_key = x509::key_of_pem(read.ca_key_pem);
  if (!key || !ca_key || X509_check_private_key(server.get(), key.get()) != 1 ||
      X509_check_private_key(ca.get(), ca_key.get()) != 1 ||
      X509_verify(server.get(), X509_get0_pubkey(ca.get())) != 1) {
    ERR_clear_error();
    return sdk::fail(BERTH_INVALID, "ca.pem, ca.key, server.pem and server.key in " + directory.string() +
                                        " do not belong together; restore them, or remove the directory and let "
                                        "every agent join anew");
  }
  read.chain_pem = server_pem + read.ca_pem;
  read.fingerprint = to_hex(x509::digest_of(ca.get()));
  if (read.fingerprint.empty()) return x509::openssl_failed("hash the CA");
  return read;
}

}  // namespace berth::fleet
