//! RFC 9497 appendix A.1.2 (ristretto255-SHA512, VOPRF mode), through the primitive as it is used
//! here. The batches' own vectors are in `protocol/tests/crypto`.

use super::Suite;
use super::entropy::Drawn;
use rand::{TryCryptoRng, TryRng};
use serde_json::Value;
use std::convert::Infallible;
use voprf::{BlindedElement, Group, VoprfClient, VoprfServer};

/// A random source of scalars: 32 bytes that are given, and as many zeros, which are reduced to them.
struct Scalars(Vec<u8>);

impl TryRng for Scalars {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("scalars are drawn by bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("scalars are drawn by bytes")
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        destination.fill(0);
        destination[..32].copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Scalars {}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(hex).collect()
}

#[test]
fn rfc_9497_appendix_a_1_2() {
    let file = include_str!("../../../tests/vectors/tokens-published.json");
    let published: Value = serde_json::from_str(file).unwrap();
    let rfc = &published["rfc_9497_a_1_2"];
    let derived = VoprfServer::<Suite>::new_from_seed(&hex(&rfc["seed"]), &hex(&rfc["key_info"]));
    let server = VoprfServer::<Suite>::new_with_key(&hex(&rfc["sk"])).unwrap();
    assert!(derived.unwrap() == server);
    let public = Suite::serialize_elem(server.get_public_key());
    assert_eq!(public.to_vec(), hex(&rfc["pk"]));
    for vector in rfc["vectors"].as_array().unwrap() {
        let inputs = list(&vector["inputs"]);
        let mut states = Vec::new();
        let blinded = list(&vector["blinded_elements"]);
        for ((input, blind), expected) in inputs.iter().zip(list(&vector["blinds"])).zip(&blinded) {
            let made = VoprfClient::<Suite>::blind(input, &mut Drawn(&mut Scalars(blind))).unwrap();
            assert_eq!(made.message.serialize().to_vec(), *expected);
            states.push(made.state);
        }
        let elements = blinded.iter().map(|bytes| BlindedElement::deserialize(bytes).unwrap());
        let elements: Vec<_> = elements.collect();
        let mut nonce = Scalars(hex(&vector["proof_random_scalar"]));
        let done = server.batch_blind_evaluate(&mut Drawn(&mut nonce), &elements).unwrap();
        let evaluated: Vec<_> = done.messages.iter().map(|m| m.serialize().to_vec()).collect();
        assert_eq!(evaluated, list(&vector["evaluation_elements"]));
        assert_eq!(done.proof.serialize().to_vec(), hex(&vector["proof"]));
        let key = server.get_public_key();
        let outputs =
            VoprfClient::batch_finalize(&inputs, &states, &done.messages, &done.proof, key);
        let outputs: Vec<_> = outputs.unwrap().map(|output| output.unwrap().to_vec()).collect();
        assert_eq!(outputs, list(&vector["outputs"]));
        let direct: Vec<_> = inputs.iter().map(|i| server.evaluate(i).unwrap().to_vec()).collect();
        assert_eq!(direct, outputs);
    }
}
