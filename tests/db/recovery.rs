//! A device's new beginning: of racing ones one wins, and none leaves half of itself.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{NewBeginning, Rotate};
use letterbox_protocol::types::Bytes;
use rand::{SeedableRng as _, rngs::StdRng};

on_both_engines! {
    async fn of_racing_beginnings_one_wins(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let (device, device_id) = bob.devices[0];
        let user = db.credential(device).await.unwrap().unwrap().user;
        let mut racing = tokio::task::JoinSet::new();
        for at in 0..12_u32 {
            let mut turn = Turn::next(&db, &bob, None, rng).await;
            let own = turn.device_list.devices.iter_mut().find(|d| d.device_id == device_id).unwrap();
            (own.registration_id, own.device_key) = (1_000 + at, Bytes::random(rng));
            let listed = own.clone();
            let (prekey, one_time) = (signed_prekey(2, NOW, rng), one_time_prekeys(4 + at, 2, rng));
            let (db, mut rng) = (db.db.clone(), StdRng::from_rng(rng));
            racing.spawn(async move {
                let beginning = NewBeginning {
                    rotation: turn.rotation(),
                    listed: &listed,
                    signed_prekey: &prekey,
                    one_time_prekeys: &one_time,
                    session: None,
                };
                let done = db.recover_device(device, user, &beginning, NOW, &mut rng).await.unwrap();
                matches!(done, Rotate::Done(_)).then(|| (turn.device_list.clone(), prekey, one_time.len()))
            });
        }
        let won: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
        let [(list, prekey, _)] = won.as_slice() else { panic!("{} won", won.len()) };
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert_eq!(served.device_list, *list);
        let own = served.prekeys.iter().find(|prekeys| prekeys.device_id == device_id).unwrap();
        assert_eq!(own.signed_prekey, *prekey);
        assert_eq!(count(&db, "one_time_prekeys").await, 2);
        assert_eq!(count(&db, "signed_prekeys").await, 2);
        assert_eq!(count(&db, "messaging_public_keys WHERE is_active").await, 1);
    }
}
