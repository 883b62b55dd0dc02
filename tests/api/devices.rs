//! The list of devices, and their names.

use super::live::Socket;
use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    linking::{linked, list_of},
    member::{Member, now},
    rotating::device_path,
};
use hyper::Method;
use letterbox_protocol::{
    types::{Blob, Bytes},
    wire::{Devices, RenameDevice, ServerFrame},
};
use serde_json::json;

const PHONE: &str = "+4915112345678";

on_both_engines! {
    async fn a_device_sees_all_of_its_account_and_no_other(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        Member::signed_up(&app, "+4915112345679").await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let listed: Devices = second.get("/v1/devices").await.read();
        assert_eq!(listed, first.get("/v1/devices").await.read());
        assert_eq!(listed.identity_key, first.identity.public());
        assert_eq!(listed.device_list, list_of(&first, 2, vec![first.listed(), second.listed()]));
        assert_eq!(listed.messaging_key.public_key, first.messaging.public());
        let mut ids = [first.device_id, second.device_id];
        ids.sort();
        assert_eq!(listed.devices.iter().map(|d| d.device_id).collect::<Vec<_>>(), ids);
        for device in &listed.devices {
            assert_eq!((device.created_on, device.last_used_on), (now().day(), now().day()));
            assert_eq!(device.signed_prekey.key_id, 1);
            assert!(!device.has_recovery_capsule);
        }
        second.sign_in().await;
        let refused = second.get("/v1/devices").await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
        let refused = app.get("/v1/devices").send().await;
        assert_eq!(refused.refused(), (401, "/problems/sign-in-required".to_owned()));
    }

    async fn devices_of_the_account_get_other_names_and_the_rest_is_told(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let stranger = Member::signed_up(&app, "+4915112345679").await;
        let second = linked(&mut first, &[], 2, 1).await;
        let mut socket = Socket::open(&second).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        let name = RenameDevice { encrypted_name: Blob(vec![4; 156]) };
        let path = device_path(&second.device_id);
        assert_eq!(first.send(Method::PATCH, &path, &name).await.status, 204);
        assert_eq!(socket.frame().await, ServerFrame::AccountChanged);
        let listed: Devices = first.get("/v1/devices").await.read();
        let named = |id| listed.devices.iter().find(|d| d.device_id == id).unwrap().encrypted_name.clone();
        assert_eq!(named(second.device_id), name.encrypted_name);
        assert_ne!(named(first.device_id), name.encrypted_name);
        for device in [stranger.device_id, Bytes([1; 16])] {
            let refused = first.send(Method::PATCH, &device_path(&device), &name).await;
            assert_eq!(refused.refused(), (404, "/problems/not-found".to_owned()));
        }
        let long = RenameDevice { encrypted_name: Blob(vec![4; 1_025]) };
        assert_eq!(first.send(Method::PATCH, &path, &long).await.bad_field(), "encrypted_name");
        assert_eq!(first.send(Method::PATCH, "/v1/devices/x", &name).await.bad_field(), "device_id");
        assert_eq!(first.send(Method::PATCH, &path, &json!({})).await.bad_field(), "encrypted_name");
        first.sign_in().await;
        let refused = first.send(Method::PATCH, &path, &name).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
    }
}
