// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A plain ERC-1155, for externally owned recipients.
contract Items {
    mapping(uint256 => mapping(address => uint256)) public balances;
    mapping(address => mapping(address => bool)) public isApprovedForAll;

    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
    event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    error NotApproved(address operator, address owner);
    error TooFew(uint256 id, uint256 have, uint256 want);
    error LengthMismatch(uint256 ids, uint256 values);

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0xd9b67a26;
    }

    function balanceOf(address owner, uint256 id) external view returns (uint256) {
        return balances[id][owner];
    }

    function balanceOfBatch(address[] calldata owners, uint256[] calldata ids) external view returns (uint256[] memory all) {
        if (owners.length != ids.length) revert LengthMismatch(ids.length, owners.length);
        all = new uint256[](ids.length);
        for (uint256 i; i < ids.length; i++) all[i] = balances[ids[i]][owners[i]];
    }

    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function mintBatch(address to, uint256[] calldata ids, uint256[] calldata values) external {
        if (ids.length != values.length) revert LengthMismatch(ids.length, values.length);
        for (uint256 i; i < ids.length; i++) balances[ids[i]][to] += values[i];
        emit TransferBatch(msg.sender, address(0), to, ids, values);
    }

    function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes calldata) external {
        allowed(from);
        move(from, to, id, value);
        emit TransferSingle(msg.sender, from, to, id, value);
    }

    function safeBatchTransferFrom(
        address from, address to, uint256[] calldata ids, uint256[] calldata values, bytes calldata
    ) external {
        allowed(from);
        if (ids.length != values.length) revert LengthMismatch(ids.length, values.length);
        for (uint256 i; i < ids.length; i++) move(from, to, ids[i], values[i]);
        emit TransferBatch(msg.sender, from, to, ids, values);
    }

    function allowed(address from) private view {
        if (msg.sender != from && !isApprovedForAll[from][msg.sender]) revert NotApproved(msg.sender, from);
    }

    function move(address from, address to, uint256 id, uint256 value) private {
        uint256 have = balances[id][from];
        if (have < value) revert TooFew(id, have, value);
        balances[id][from] = have - value;
        balances[id][to] += value;
    }
}
