// JDK 17 or newer, no library: java Mint.java app.jwk
import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import java.util.*;

class Mint {
    public static void main(String[] args) throws Exception {
        List<String> jwk = List.of(Files.readString(Path.of(args[0])).split("\""));
        long now = System.currentTimeMillis() / 1000;
        String header = """
            {"alg":"EdDSA","kid":"%s","typ":"JWT"}""".formatted(jwk.get(jwk.indexOf("kid") + 2));
        String claims = """
            {"tenant":"acme","sub":"17","role":"hr","purpose":"absence_management",
             "iat":%d,"exp":%d,"jti":"%s"}""".formatted(now, now + 300, UUID.randomUUID());
        // values that come from outside: build the claims with a JSON library, which escapes them
        var b64 = Base64.getUrlEncoder().withoutPadding();
        String input = b64.encodeToString(header.getBytes("UTF-8")) + "." + b64.encodeToString(claims.getBytes("UTF-8"));
        byte[] d = Base64.getUrlDecoder().decode(jwk.get(jwk.indexOf("d") + 2));
        Signature ed25519 = Signature.getInstance("Ed25519");
        ed25519.initSign(KeyFactory.getInstance("Ed25519").generatePrivate(new EdECPrivateKeySpec(NamedParameterSpec.ED25519, d)));
        ed25519.update(input.getBytes("UTF-8"));
        System.out.println(input + "." + b64.encodeToString(ed25519.sign()));
    }
}
